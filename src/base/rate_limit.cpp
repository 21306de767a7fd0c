#include "ota/base/rate_limit.hpp"

#include <algorithm>

namespace ota {
namespace {
constexpr std::int64_t kSecond = 1'000'000;
}  // namespace

RateLimit::RateLimit(const Clock& clock, double per_second, double burst, std::size_t buckets)
    : clock_(clock),
      cost_(static_cast<std::int64_t>(kSecond / per_second)),
      room_(static_cast<std::int64_t>(burst * kSecond / per_second)),
      buckets_(buckets) {}

int RateLimit::wait(std::int64_t filled, std::int64_t now) const {
  const auto over = std::max(filled, now) + cost_ - now - room_;
  return over <= 0 ? 0 : static_cast<int>((over + kSecond - 1) / kSecond);
}

int RateLimit::wait(std::uint64_t name) const { return wait(buckets_[name].load(std::memory_order_relaxed), now()); }

int RateLimit::take(std::uint64_t name) {
  const auto held = buckets_[name];
  auto filled = held.load(std::memory_order_relaxed);
  for (;;) {
    const auto time = now();
    if (const int seconds = wait(filled, time); seconds > 0) return seconds;
    if (held.compare_exchange_weak(filled, std::max(filled, time) + cost_, std::memory_order_relaxed)) return 0;
  }
}

}  // namespace ota
