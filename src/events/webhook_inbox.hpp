// What other threads bring the sender.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/events/webhooks.hpp"

namespace ota::events {

/// An event that waits for a webhook.
struct WaitingEvent {
  std::int64_t number = 0;
  std::string body;
};

/// A page of the event log, as one webhook has it.
struct WebhookPage {
  std::int64_t id = 0;
  int reading = 0;  ///< the number of WebhookTarget::page_asked()
  bool failed = false;  ///< the database can't be read now
  std::vector<WaitingEvent> events;
  std::int64_t last = 0;  ///< as in storage::EventPage
  bool more = false;      ///< the log goes on behind it
};

struct WebhookTestOrder {
  Webhook webhook;
  std::function<void(Result<WebhookOutcome>)> done;
};

/// All that came since it was looked into last.
struct WebhookMail {
  bool stop = false;
  bool news = false;
  bool refresh = false;
  bool list_failed = false;
  std::optional<std::vector<Webhook>> list;
  std::vector<WebhookPage> pages;
  std::vector<WebhookTestOrder> tests;
};

/// Thread-safe; outlives the sender where a reading thread still has it. Each change wakes the sender.
class WebhookInbox {
 public:
  explicit WebhookInbox(CURLM* multi) : multi_(multi) {}

  template <class Change>
  void put(Change change) {
    const MutexLock lock(mutex_);
    change(mail_);
    if (multi_) curl_multi_wakeup(multi_);
  }
  WebhookMail take() {
    const MutexLock lock(mutex_);
    auto mail = std::exchange(mail_, {});
    mail_.stop = mail.stop;
    return mail;
  }
  /// The multi handle goes.
  void close() {
    const MutexLock lock(mutex_);
    multi_ = nullptr;
  }

 private:
  Mutex mutex_;
  CURLM* multi_ OTA_GUARDED_BY(mutex_);
  WebhookMail mail_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::events
