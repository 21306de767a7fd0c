#pragma once

#include <cstdint>
#include <vector>

#include "ota/domain/event.hpp"

namespace ota::storage {

struct EventPage {
  std::vector<Event> events;
  std::int64_t last = 0;  ///< the last number that was looked at: where the next page goes on
};

/// Append-only, and read by number.
class EventLog {
 public:
  /// How many events a page looks at, at most: one that looks at more, because few match, comes back short.
  static constexpr std::int64_t kLookedAt = 20'000;

  virtual ~EventLog() = default;

  /// Gives it its number.
  virtual void add(Event& event) = 0;
  /// Removes events older than `before`, at most `limit`; answers how many.
  virtual int prune(WallTime before, int limit) = 0;

  /// Ascending, above `after`, at most `limit`.
  virtual EventPage list(const EventFilter& filter, std::int64_t after, int limit) const = 0;
  /// The last number that was given out; 0: none yet.
  virtual std::int64_t newest() const = 0;
  /// The lowest number that is kept; newest() + 1 where none is.
  virtual std::int64_t oldest() const = 0;
};

}  // namespace ota::storage
