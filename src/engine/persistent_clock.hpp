#pragma once

#include <algorithm>

#include "ota/base/clock.hpp"

namespace ota::engine {

/// The time that timers live on: it goes on with the steady clock, across restarts, whatever somebody does to the wall
/// clock. It starts at the wall clock's reading and never goes back: while the daemon is down it moves on with the wall
/// clock, or stands still where that was set back.
class PersistentClock {
 public:
  PersistentClock(const Clock& clock, Millis last_known)
      : clock_(clock),
        start_(std::max(last_known, Millis{clock.wall().time_since_epoch()})),
        down_(last_known == Millis{0} ? Millis{0} : start_ - last_known),
        steady_start_(clock.steady()) {}

  Millis now() const { return start_ + (clock_.steady() - steady_start_); }
  /// How long the daemon was down before this start, by the wall clock; and how long it has been up.
  Millis down() const { return down_; }
  Millis up() const { return clock_.steady() - steady_start_; }
  /// A moment of the wall clock, as seen from now.
  Millis at(WallTime time) const { return now() + (time - clock_.wall()); }

 private:
  const Clock& clock_;
  const Millis start_;
  const Millis down_;
  const Millis steady_start_;
};

}  // namespace ota::engine
