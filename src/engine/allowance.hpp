#pragma once

#include <algorithm>
#include <cmath>

#include "ota/base/clock.hpp"

namespace ota::engine {

/// A rate for things that happen on the engine's thread: a burst at once, then evenly. A value.
class Allowance {
 public:
  /// Takes one of `per_minute` (> 0) and answers 0, or takes none and answers the whole seconds until there is one.
  /// `now` never goes back.
  int take(Millis now, double per_minute, double burst) {
    constexpr double kMinute = 60'000;
    const auto time = static_cast<double>(now.count());
    const double cost = kMinute / per_minute;
    const double filled = std::max(filled_until_, time) + cost;
    const double over = filled - time - cost * burst;
    if (over > 0) return std::max(1, static_cast<int>(std::ceil(over / 1'000)));
    filled_until_ = filled;
    return 0;
  }

 private:
  double filled_until_ = 0;  // ms: when all of the burst is there again
};

}  // namespace ota::engine
