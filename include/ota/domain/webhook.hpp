// Webhooks: whom events are posted to, and how far that has come (docs/events.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/event.hpp"

namespace ota {

/// A cursor into the event log.
struct Webhook {
  std::int64_t id = 0;
  std::string url;                 ///< may hold a secret: never log it
  std::vector<std::string> types;  ///< as in EventTypes::add(); empty: all
  std::string channel;             ///< empty: any
  std::string salt;                ///< of its secret, which no database holds
  std::string old_salt;            ///< of the one that signs too, until `old_until`; empty: none
  std::optional<WallTime> old_until;
  WallTime created{};
  std::string created_by;
  int revision = 0;  ///< changes where an order moves it: a report about an earlier one is ignored

  std::int64_t cursor = 0;  ///< the last event that was delivered, or that isn't for it
  bool enabled = true;
  std::string disabled_reason;
  int failures = 0;  ///< attempts in a row for the event behind the cursor
  std::optional<WallTime> next_at;  ///< of the next attempt, after a failure
  std::optional<WallTime> failing_since;
  std::optional<WallTime> last_at;  ///< of the last attempt
  int last_status = 0;              ///< of HTTP; 0: there was no answer
  std::string last_error;           ///< why it failed; empty: it didn't

  EventFilter filter() const {
    EventFilter filter;
    filter.channel = channel;
    if (types.empty()) return filter;
    filter.types = EventTypes::none();
    for (const auto& type : types) filter.types.add(type);
    return filter;
  }
};

inline constexpr std::size_t kMaxWebhooks = 100;
/// Both secrets sign for that long after a rotation.
inline constexpr std::chrono::hours kOldSecretSigns{24};

}  // namespace ota
