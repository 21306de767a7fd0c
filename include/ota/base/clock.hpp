// Time comes in through here, so that tests can turn the hands.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ota {

using Millis = std::chrono::milliseconds;
using WallTime = std::chrono::sys_time<Millis>;  ///< UTC; may jump when somebody sets the clock

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  /// Time since some fixed moment; never goes back, does not jump.
  virtual Millis steady() const = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  WallTime wall() const override;
  Millis steady() const override;
};

/// RFC 3339 UTC with whole seconds: `2026-11-22T08:30:00Z`.
std::string to_rfc3339(WallTime time);

/// RFC 3339 with `Z` or a numeric offset, fractions of a second cut to milliseconds; nothing if malformed.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace ota
