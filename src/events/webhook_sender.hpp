// The sender's thread: reads the event log for each webhook, posts, and tells the engine.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "events/webhook_inbox.hpp"
#include "events/webhook_target.hpp"
#include "ota/curl/handle.hpp"
#include "ota/events/webhooks.hpp"

namespace ota::events {

class WebhookSender final : public Webhooks {
 public:
  WebhookSender(Options options, storage::Readers& readers, engine::WebhookControl& control, const Clock& clock,
                Random& random);
  ~WebhookSender() override;

  void start() override;
  void stop() override;
  void wake() override;
  void refresh() override;
  void test(Webhook webhook, std::function<void(Result<WebhookOutcome>)> done) override;
  WebhookStats stats() const override;
  const WebhookRules& rules() const noexcept override { return options_.rules; }
  std::string secret_of(const Webhook& webhook) const override;

 private:
  using Steady = WebhookTarget::Steady;
  struct Test {
    std::unique_ptr<WebhookDelivery> flight;
    std::function<void(Result<WebhookOutcome>)> done;
  };

  void loop();
  /// After an exception: gives up what is under way, and starts from the rows.
  void begin_anew();
  /// False where it is to stop.
  bool take_mail();
  void take_list(std::vector<Webhook> list);
  void read_list();
  void read_page(WebhookTarget& target);
  void begin_test(WebhookTestOrder order);
  void go_on();
  std::unique_ptr<WebhookDelivery> launch(const Webhook& webhook, const std::string& id, std::string body);
  void break_off(WebhookTarget& target);
  void collect();
  void landed(CURL* handle, CURLcode code);
  void report(WebhookTarget& target, bool last);
  int wait_ms() const;

  const Options options_;
  storage::Readers& readers_;
  engine::WebhookControl& control_;
  const Clock& clock_;
  Random& random_;
  curl::Multi multi_{curl_multi_init()};
  const std::shared_ptr<WebhookInbox> inbox_ = std::make_shared<WebhookInbox>(multi_.get());
  std::atomic<std::uint64_t> delivered_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<bool> any_{false};  // webhooks
  std::thread thread_;

  // The thread's own.
  std::map<std::int64_t, WebhookTarget> targets_;
  std::vector<Test> tests_;
  int pages_ = 0;  ///< asked for
  bool listing_ = false;
  bool list_wanted_ = true;
  Steady::time_point list_after_{};
};

}  // namespace ota::events
