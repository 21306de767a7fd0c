// The source of random numbers, which tests replace to repeat a run.
#pragma once

#include <cstdint>
#include <random>

namespace ota {

/// Thread-safe. For jitter only; secrets come from OpenSSL.
class Random {
 public:
  virtual ~Random() = default;
  /// Uniform in [0, 1).
  virtual double unit() = 0;
};

class SystemRandom final : public Random {
 public:
  double unit() override;
};

}  // namespace ota
