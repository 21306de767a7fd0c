// How often something may happen, by name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ota/base/clock.hpp"
#include "ota/base/zeroed_table.hpp"

namespace ota {

/// A bucket for each name, in a table of a fixed size: names that meet there share one. Thread-safe, without a lock.
class RateLimit {
 public:
  /// `burst` at once, then `per_second`.
  RateLimit(const Clock& clock, double per_second, double burst, std::size_t buckets);

  /// Takes one for that name and answers 0, or takes none and answers the whole seconds until there is one.
  int take(std::uint64_t name);
  /// What take() would answer.
  int wait(std::uint64_t name) const;

 private:
  std::int64_t now() const { return clock_.steady().count() * 1000; }
  int wait(std::int64_t filled, std::int64_t now) const;

  const Clock& clock_;
  const std::int64_t cost_;            // µs that one stands for
  const std::int64_t room_;            // µs
  ZeroedTable<std::int64_t> buckets_;  // when each is empty again, steady µs
};

}  // namespace ota
