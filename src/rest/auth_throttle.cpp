#include "rest/auth_throttle.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/wire/errors.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kBuckets = NameNumbers::kMost;

}  // namespace

std::size_t NameNumbers::of(std::string_view name) {
  const MutexLock lock(mutex_);
  const auto known = numbers_.find(name);
  if (known != numbers_.end()) return known->second;
  if (numbers_.size() + 1 >= kMost) return kMost - 1;
  return numbers_.emplace(name, numbers_.size()).first->second;
}

Sampling::Sampling(const Clock& clock, double per_second, double burst)
    : limit_(clock, per_second, burst, kBuckets), left_out_(kBuckets) {}

bool Sampling::take(std::string_view name, std::uint64_t& left_out) {
  const auto bucket = names_.of(name);
  if (limit_.take(bucket) > 0) {
    left_out_[bucket].fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  left_out = left_out_[bucket].exchange(0, std::memory_order_relaxed);
  return true;
}

AuthThrottle::AuthThrottle(const Clock& clock)
    : log_lines(clock, 1, 200),
      audit_entries(clock, 0.1, 60),
      calls_(clock, kCallsPerSecond, kCallBurst, kBuckets),
      failures_(clock, kFailuresPerSecond, kFailureBurst, kBuckets),
      all_failures_(clock, kAllFailuresPerSecond, kAllFailureBurst, 1) {}

std::optional<Error> AuthThrottle::refuse_call(const std::string& key_name) {
  const int wait = calls_.take(names_.of(key_name));
  if (wait == 0) return std::nullopt;
  return wire::overloaded(fmt::format("the key \"{}\" calls more than {} times a second", key_name, kCallsPerSecond),
                          wait);
}

std::optional<Error> AuthThrottle::refuse_failure(std::string_view key) {
  const int own = key.empty() ? 0 : failures_.take(hash_(key));
  const int wait = std::max(own, all_failures_.take(0));
  if (wait == 0) return std::nullopt;
  return wire::overloaded("too many calls without a valid key; try again later", wait);
}

}  // namespace ota::rest
