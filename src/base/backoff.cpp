#include "ota/base/backoff.hpp"

#include <algorithm>
#include <cstdint>

namespace ota {

std::chrono::milliseconds Backoff::wait(unsigned step, double unit) const {
  const auto full = std::min(max.count(), min.count() << std::min(step, 20u));
  return std::chrono::milliseconds{full - static_cast<std::int64_t>(static_cast<double>(full) / 2.0 * unit)};
}

}  // namespace ota
