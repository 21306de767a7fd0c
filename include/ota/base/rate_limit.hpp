// Rate limits by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ota/base/clock.hpp"
#include "ota/base/zeroed_table.hpp"

namespace ota {

/// A token bucket for each name, in a table of a fixed size: names with the same hash share one. Needs no lock.
class RateLimit {
 public:
  /// Permits `burst` events at once, then `per_second`.
  RateLimit(const Clock& clock, double per_second, double burst, std::size_t buckets);

  /// Takes a token of that name and returns 0; or takes none and returns the seconds until one is there, rounded up.
  int take(std::uint64_t name);
  /// The result that take() would have.
  int wait(std::uint64_t name) const;

 private:
  std::int64_t now() const { return clock_.steady().count() * 1000; }
  int wait(std::int64_t filled, std::int64_t now) const;

  const Clock& clock_;
  const std::int64_t cost_;            // µs for each token
  const std::int64_t room_;            // µs
  ZeroedTable<std::int64_t> buckets_;  // when each bucket is full again, monotonic µs
};

}  // namespace ota
