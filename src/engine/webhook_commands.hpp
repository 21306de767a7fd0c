// WebhookControl over the engine's loop.
#pragma once

#include "engine/engine_loop.hpp"
#include "ota/engine/webhook_control.hpp"

namespace ota::engine {

class WebhookCommands final : public WebhookControl {
 public:
  explicit WebhookCommands(EngineLoop& loop) : loop_(loop) {}

  void create(WebhookOrder order, Caller caller, Done<Webhook> done) override;
  void change(WebhookChange change, Caller caller, Done<Webhook> done) override;
  void remove(std::int64_t id, Caller caller, Done<void> done) override;
  void rotate(std::int64_t id, std::string salt, Caller caller, Done<Webhook> done) override;
  void replay(std::int64_t id, std::int64_t since, Caller caller, Done<Webhook> done) override;
  void report(WebhookReport report) override;

 private:
  EngineLoop& loop_;
};

}  // namespace ota::engine
