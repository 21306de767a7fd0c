// A message that is repeated until it is answered (docs/device-protocol.md, A download from start to end).
#pragma once

#include <chrono>

#include "ota/base/backoff.hpp"
#include "ota/base/random.hpp"

namespace ota::agent {

using Time = std::chrono::steady_clock::time_point;

/// Not thread-safe.
class RetryTimer {
 public:
  RetryTimer(Backoff backoff, Random& random) : backoff_(backoff), random_(random) {}

  /// To be sent after `delay`; further delays grow from the start again.
  void arm(Time now, std::chrono::milliseconds delay = {}) {
    next_ = now + delay;
    step_ = 0;
  }
  /// Later than before: what was answered was no help.
  void arm_again(Time now) { next_ = now + backoff_.wait(step_++, random_.unit()); }
  void clear() { next_ = Time::max(); }

  bool armed() const { return next_ != Time::max(); }
  Time next() const { return next_; }
  bool due(Time now) const { return next_ <= now; }
  /// It was sent: the next time is after the next delay.
  void asked(Time now) { arm_again(now); }

 private:
  const Backoff backoff_;
  Random& random_;
  Time next_ = Time::max();
  unsigned step_ = 0;
};

}  // namespace ota::agent
