// The source of time, which tests replace by a controllable one.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace ota {

using Millis = std::chrono::milliseconds;
using WallTime = std::chrono::sys_time<Millis>;  ///< UTC; jumps when the clock is set

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  /// Monotonic time since an arbitrary moment; doesn't jump.
  virtual Millis steady() const = 0;
};

/// The system clocks.
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
