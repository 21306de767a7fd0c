// What the engine does with webhooks, scripted: answers every command with what the test put in; keeps what came.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/engine/webhook_control.hpp"
#include "ota/events/webhooks.hpp"

namespace ota::rest::test {

class ScriptedWebhooks final : public engine::WebhookControl {
 public:
  void create(engine::WebhookOrder wanted, Caller, engine::Done<Webhook> done) override {
    came.emplace_back("create");
    order = std::move(wanted);
    Webhook made;
    made.id = 7;
    made.url = order->url;
    made.types = order->types;
    made.channel = order->channel;
    made.salt = order->salt;
    answer(std::move(made), done);
  }
  void change(engine::WebhookChange wanted, Caller, engine::Done<Webhook> done) override {
    came.push_back("change " + std::to_string(wanted.id));
    changed = std::move(wanted);
    answer(row, done);
  }
  void remove(std::int64_t id, Caller, engine::Done<void> done) override {
    came.push_back("remove " + std::to_string(id));
    if (trouble) return done(*trouble);
    done(Result<void>{});
  }
  void rotate(std::int64_t id, std::string salt, Caller, engine::Done<Webhook> done) override {
    came.push_back("rotate " + std::to_string(id));
    auto rotated = row;
    rotated.salt = std::move(salt);
    answer(std::move(rotated), done);
  }
  void replay(std::int64_t id, std::int64_t since, Caller, engine::Done<Webhook> done) override {
    came.push_back("replay " + std::to_string(id) + " " + std::to_string(since));
    answer(row, done);
  }
  void report(engine::WebhookReport) override {}

  Webhook row;
  std::optional<Error> trouble;
  std::vector<std::string> came;
  std::optional<engine::WebhookOrder> order;
  std::optional<engine::WebhookChange> changed;

 private:
  void answer(Webhook webhook, const engine::Done<Webhook>& done) {
    if (trouble) return done(*trouble);
    done(Result<Webhook>(std::move(webhook)));
  }
};

/// Sends nothing.
class ScriptedSender final : public events::Webhooks {
 public:
  void start() override {}
  void stop() override {}
  void wake() override {}
  void refresh() override { ++refreshed; }
  void test(Webhook webhook, std::function<void(Result<events::WebhookOutcome>)> done) override {
    tested = std::move(webhook);
    done(outcome);
  }
  events::WebhookStats stats() const override { return {}; }
  const events::WebhookRules& rules() const noexcept override { return wanted; }
  std::string secret_of(const Webhook& webhook) const override { return "whsec_" + webhook.salt; }

  events::WebhookRules wanted;
  Result<events::WebhookOutcome> outcome = events::WebhookOutcome{};
  std::optional<Webhook> tested;
  int refreshed = 0;
};

}  // namespace ota::rest::test
