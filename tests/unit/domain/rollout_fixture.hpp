// A rollout with one open stage, and counters, for the tests of its rules.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

#include "ota/domain/rollout_rules.hpp"

namespace ota {

inline constexpr Millis kNow = std::chrono::days{100};
inline constexpr WallTime kWall{std::chrono::days{20'000}};

using Some = std::initializer_list<std::pair<Bucket, std::int64_t>>;

inline void add(RolloutCounts& counts, Some some, const std::string& from = "1.4.0",
                ContactClass contact = ContactClass::minutes) {
  for (const auto& [bucket, n] : some) counts.add({1, from, contact, bucket}, n);
}

inline RolloutCounts counted(Some some) {
  RolloutCounts counts;
  add(counts, some);
  return counts;
}

/// Stages `canary`, 10 %, 100 % of 1,000 devices, budget 1 %; the first opened at kNow.
inline Rollout running_rollout(int stage = 0, std::int64_t total = 1'000) {
  Rollout rollout;
  rollout.spec.stages.resize(3);
  rollout.spec.stages[0].to = {Share::Kind::canary, 0};
  rollout.spec.stages[1].to = {Share::Kind::percent, 1'000};
  open_stage(rollout, stage, total, total, total, kNow, kWall);
  return rollout;
}

}  // namespace ota
