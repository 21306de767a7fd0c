// How long to wait before another attempt.
#pragma once

#include <chrono>

namespace ota {

/// Waits that double from `min` to `max`, each drawn from its upper half, so that many who failed together don't come
/// back together.
struct Backoff {
  std::chrono::milliseconds min;
  std::chrono::milliseconds max;

  /// `step` from 0; `unit` uniform in [0, 1).
  std::chrono::milliseconds wait(unsigned step, double unit) const;
};

}  // namespace ota
