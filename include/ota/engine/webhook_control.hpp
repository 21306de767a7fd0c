// What operators do with webhooks, and how far they have come (docs/events.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/audit.hpp"
#include "ota/domain/webhook.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

/// `POST /webhooks`. What is in it has been checked.
struct WebhookOrder {
  std::string url;
  std::vector<std::string> types;
  std::string channel;
  std::string salt;
};

/// `PATCH /webhooks/{id}`: what isn't given stays as it is.
struct WebhookChange {
  std::int64_t id = 0;
  std::optional<std::string> url;
  std::optional<std::vector<std::string>> types;
  std::optional<std::string> channel;
  std::optional<bool> enabled;  ///< true: it goes on at once, behind its cursor
};

/// How far a webhook has come.
struct WebhookReport {
  std::int64_t id = 0;
  int revision = 0;
  std::int64_t cursor = 0;
  int failures = 0;
  std::optional<WallTime> next_at;
  std::optional<WallTime> last_at;
  int last_status = 0;
  std::string last_error;
  std::optional<std::string> disable;  ///< why no further attempt is made
};

/// Owned by Engine, with its rules: commands go into its one queue, callbacks run on its thread after the commit.
class WebhookControl {
 public:
  virtual ~WebhookControl() = default;

  /// It begins with the events from now on. Errc::in_use: there are kMaxWebhooks.
  virtual void create(WebhookOrder order, Caller caller, Done<Webhook> done) = 0;
  /// These four: Errc::not_found.
  virtual void change(WebhookChange change, Caller caller, Done<Webhook> done) = 0;
  virtual void remove(std::int64_t id, Caller caller, Done<void> done) = 0;
  /// The secret before it signs for kOldSecretSigns.
  virtual void rotate(std::int64_t id, std::string salt, Caller caller, Done<Webhook> done) = 0;
  /// It goes back, or on, to the events above `since`. Errc::malformed: there is no event as new as that.
  virtual void replay(std::int64_t id, std::int64_t since, Caller caller, Done<Webhook> done) = 0;
  /// Of the sender. One about an earlier revision, or of a webhook that is gone, is ignored.
  virtual void report(WebhookReport report) = 0;
};

}  // namespace ota::engine
