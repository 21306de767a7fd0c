#include "api/operator_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/errors.hpp"

namespace ota::api {
namespace {

constexpr std::size_t kBuckets = std::size_t{1} << 12;

}  // namespace

bool Sampling::take(std::uint64_t& left_out) {
  if (limit_.take(0) > 0) {
    left_out_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  left_out = left_out_.exchange(0, std::memory_order_relaxed);
  return true;
}

OperatorGate::OperatorGate(const Clock& clock)
    : log_lines(clock, 20, 200),
      audit_entries(clock, 2, 60),
      calls_(clock, kCallsPerSecond, kCallBurst, kBuckets),
      failures_(clock, kFailuresPerSecond, kFailureBurst, kBuckets),
      all_failures_(clock, kAllFailuresPerSecond, kAllFailureBurst, 1) {}

std::optional<Error> OperatorGate::refuse_call(const std::string& key_name) {
  const int wait = calls_.take(hash_(key_name));
  if (wait == 0) return std::nullopt;
  return overloaded(fmt::format("the key \"{}\" calls more than {} times a second", key_name, kCallsPerSecond), wait);
}

std::optional<Error> OperatorGate::refuse_failure(std::string_view key) {
  const int own = key.empty() ? 0 : failures_.take(hash_(key));
  const int wait = std::max(own, all_failures_.take(0));
  if (wait == 0) return std::nullopt;
  return overloaded("too many calls without a right key; try again later", wait);
}

}  // namespace ota::api
