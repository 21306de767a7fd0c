// Posts events to webhooks: a cursor each, one event after the other (docs/events.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/base/random.hpp"
#include "ota/domain/webhook.hpp"
#include "ota/engine/webhook_control.hpp"
#include "ota/storage/readers.hpp"

namespace ota::events {

/// Where this server may call.
struct WebhookRules {
  bool allow_http = false;     ///< without TLS
  bool allow_private = false;  ///< addresses that aren't of the public internet
};

/// Why nothing is posted to that URL; nothing if it may be. What its host is connected to is checked by each attempt.
std::optional<std::string> refuse_webhook_url(const std::string& url, const WebhookRules& rules);

/// Random text, of which a webhook's secret is made.
std::string make_webhook_salt();

/// How an attempt went.
struct WebhookOutcome {
  int status = 0;     ///< of HTTP; 0: there was no answer
  std::string error;  ///< empty: it was delivered
  std::chrono::seconds retry_after{0};
  std::chrono::milliseconds took{0};
};

struct WebhookStats {
  std::uint64_t delivered = 0;
  std::uint64_t failed = 0;  ///< attempts
};

/// One for the daemon, with a thread of its own. Thread-safe but for start() and stop().
class Webhooks {
 public:
  struct Options {
    WebhookRules rules;
    std::string source;  ///< the events' CloudEvents attribute
    std::string key;     ///< of which, with their salts, the secrets are made; kept apart from the database
  };
  /// What it is given must outlive it.
  static std::unique_ptr<Webhooks> create(Options options, storage::Readers& readers, engine::WebhookControl& control,
                                          const Clock& clock, Random& random);
  virtual ~Webhooks() = default;

  virtual void start() = 0;
  /// Cancels deliveries in progress, which are repeated after a start, and reports each webhook's cursor to the engine.
  virtual void stop() = 0;
  /// There are new events in the database.
  virtual void wake() = 0;
  /// Webhooks were added, changed or removed.
  virtual void refresh() = 0;
  /// Posts an event of the type `webhook.test`, once; `done` is called on the thread, with Errc::overloaded where too
  /// many are under way.
  virtual void test(Webhook webhook, std::function<void(Result<WebhookOutcome>)> done) = 0;
  virtual WebhookStats stats() const = 0;
  virtual const WebhookRules& rules() const noexcept = 0;
  /// `whsec_` and 32 bytes in base64 (Standard Webhooks 1.0).
  virtual std::string secret_of(const Webhook& webhook) const = 0;
};

}  // namespace ota::events
