// Random numbers that a seed repeats on every machine.
#pragma once

#include <cstdint>
#include <random>

#include "ota/base/clock.hpp"

namespace ota::simulate {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : source_(seed) {}
  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(source_() >> 11) * 0x1p-53; }
  bool chance(double share) { return share > 0 && unit() < share; }
  Millis between(Millis least, Millis most) {
    return least + Millis{static_cast<std::int64_t>(unit() * static_cast<double>((most - least).count()))};
  }
  /// Of 0 to n - 1.
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(unit() * static_cast<double>(n)); }

 private:
  std::mt19937_64 source_;
};

}  // namespace ota::simulate
