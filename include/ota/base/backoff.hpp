// How long to wait before another attempt.
#pragma once

#include <chrono>

namespace ota {

/// Delays that double from `min` to `max`. Each is random within its upper half, so that callers who failed at the same
/// time don't retry at the same time.
struct Backoff {
  std::chrono::milliseconds min;
  std::chrono::milliseconds max;

  /// `step` from 0; `unit` uniform in [0, 1).
  std::chrono::milliseconds wait(unsigned step, double unit) const;
};

}  // namespace ota
