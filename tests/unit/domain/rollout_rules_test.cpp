#include "ota/domain/rollout_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "unit/domain/rollout_fixture.hpp"

namespace ota {
namespace {

using B = Bucket;

// The budget rule.

TEST(FailureBound, IsOneWhileNothingWasSeen) { EXPECT_EQ(failure_bound(0, 0), 1.0); }

TEST(FailureBound, IsThreeOfAllWhileNothingFailed) {
  for (const std::int64_t healthy : {3, 10, 300, 1'000'000})
    EXPECT_NEAR(failure_bound(0, healthy), 3.0 / static_cast<double>(healthy), 1e-12) << healthy;
  EXPECT_EQ(failure_bound(0, 1), 1.0);
  EXPECT_EQ(failure_bound(0, 2), 1.0);
}

TEST(FailureBound, IsTheFormula) {
  EXPECT_NEAR(failure_bound(3, 97), (4.0 + 2.0 * 2.0) / 100.0, 1e-12);
  EXPECT_NEAR(failure_bound(8, 991), (9.0 + 2.0 * 3.0) / 999.0, 1e-12);
  EXPECT_EQ(failure_bound(10, 0), 1.0);
  EXPECT_EQ(failure_bound(3, 5), 1.0);
}

/// One more may pass iff b + (soaking + 1) * U <= B, in whole numbers: with b + 1 a square, U is a fraction.
bool one_more_fits(std::int64_t bad, std::int64_t soaking, std::int64_t healthy, std::int64_t budget) {
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(bad + 1))));
  const auto seen = bad + healthy;
  const auto worse = bad + 1 + 2 * root;
  if (seen == 0 || worse >= seen) return bad + soaking + 1 <= budget;
  return bad * seen + (soaking + 1) * worse <= budget * seen;
}

TEST(RoomWithin, IsTheFormulaExactly) {
  for (const std::int64_t bad : {0, 3, 8, 15})
    for (std::int64_t soaking = 0; soaking <= 60; ++soaking)
      for (std::int64_t healthy = 0; healthy <= 400; healthy += healthy < 40 ? 1 : 13)
        for (const std::int64_t budget : {1, 2, 3, 7, 8, 10, 100}) {
          BucketCounts counts{};
          at(counts, B::failed) = bad;
          at(counts, B::soaking) = soaking;
          at(counts, B::healthy) = healthy;
          ASSERT_EQ(room_within(counts, budget) > 0, one_more_fits(bad, soaking, healthy, budget))
              << bad << " bad, " << soaking << " soaking, " << healthy << " healthy, budget " << budget;
        }
}

TEST(RoomWithin, IsTheNumberThatMayPassOneAfterTheOther) {
  for (const std::int64_t bad : {0, 1, 2, 5})
    for (const std::int64_t healthy : {0, 1, 10, 33, 500}) {
      BucketCounts counts{};
      at(counts, B::overdue) = bad;
      at(counts, B::healthy) = healthy;
      const auto room = room_within(counts, 10);
      std::int64_t passed = 0;
      for (; room_within(counts, 10) > 0; ++passed) ++at(counts, B::soaking);
      EXPECT_EQ(room, passed) << bad << " bad, " << healthy << " healthy";
    }
}

TEST(RoomWithin, LetsTheBudgetAtRiskAtFirst) {
  BucketCounts counts{};
  EXPECT_EQ(room_within(counts, 10), 10);
  at(counts, B::soaking) = 10;
  EXPECT_EQ(room_within(counts, 10), 0);
  at(counts, B::soaking) = 0;
  at(counts, B::healthy) = 10;
  EXPECT_EQ(room_within(counts, 10), 33) << "10 / (3 / 10)";
  at(counts, B::healthy) = 300;
  EXPECT_EQ(room_within(counts, 10), 1'000) << "exact, where 10 / (3 / 300) is a whole number";
}

TEST(RoomWithin, IsExactWhereTheQuotientOfDoublesIsNot) {
  for (const auto& [budget, healthy, room] : {std::array<std::int64_t, 3>{1, 279, 93}, {1, 297, 99}, {2, 315, 210}}) {
    BucketCounts counts{};
    at(counts, B::healthy) = healthy;
    EXPECT_EQ(room_within(counts, budget), room) << budget << " / (3 / " << healthy << ")";
  }
}

TEST(RoomWithin, CountsOverdueAsFailed) {
  BucketCounts counts{};
  at(counts, B::overdue) = 4;
  EXPECT_EQ(room_within(counts, 10), 6);
  at(counts, B::failed) = 6;
  EXPECT_EQ(room_within(counts, 10), 0);
  at(counts, B::failed) = 60;
  EXPECT_EQ(room_within(counts, 10), 0) << "never negative";
}

TEST(RoomWithin, OfOneDeviceLetsThemPassOneByOne) {
  BucketCounts counts{};
  EXPECT_EQ(room_within(counts, 1), 1);
  at(counts, B::soaking) = 1;
  EXPECT_EQ(room_within(counts, 1), 0);
  at(counts, B::soaking) = 0;
  at(counts, B::healthy) = 3;
  EXPECT_EQ(room_within(counts, 1), 1);
  at(counts, B::healthy) = 6;
  EXPECT_EQ(room_within(counts, 1), 2);
}

TEST(RoomWithin, IgnoresTheOtherBuckets) {
  BucketCounts counts{};
  for (auto bucket : {B::assigned, B::absent, B::staged, B::undelivered, B::dropped}) at(counts, bucket) = 1'000;
  EXPECT_EQ(room_within(counts, 10), 10);
}

// The gate.

GateRefusal ask(const Rollout& rollout, const RolloutCounts& counts = {}, FirmwareFacts firmware = {},
                const std::string& from = "1.4.0", ContactClass contact = ContactClass::minutes) {
  return gate(rollout, firmware, counts, from, contact);
}

TEST(Gate, IsOpenInItsStatesAlone) {
  const std::map<RolloutState, GateRefusal> expected{
      {RolloutState::waiting_start, GateRefusal::approval},  {RolloutState::scheduled, GateRefusal::not_running},
      {RolloutState::running, GateRefusal::none},            {RolloutState::waiting_stage, GateRefusal::none},
      {RolloutState::paused, GateRefusal::paused},           {RolloutState::halted, GateRefusal::halted},
      {RolloutState::halted_target, GateRefusal::halted},
      {RolloutState::completed, GateRefusal::none},          {RolloutState::cancelled, GateRefusal::not_running},
      {RolloutState::expired, GateRefusal::not_running},     {RolloutState::superseded, GateRefusal::not_running}};
  ASSERT_EQ(expected.size(), kRolloutStates);
  for (const auto& [state, refusal] : expected) {
    auto rollout = running_rollout();
    rollout.state = state;
    EXPECT_EQ(ask(rollout), refusal) << static_cast<int>(state);
    EXPECT_EQ(room(rollout, {}) > 0, refusal == GateRefusal::none) << static_cast<int>(state);
  }
}

TEST(Gate, RefusesBeforeTheFirstStageOpened) {
  Rollout rollout;
  rollout.spec.stages.resize(1);
  EXPECT_EQ(ask(rollout), GateRefusal::budget);
}

TEST(Gate, RefusesBlockedFirmware) {
  EXPECT_EQ(ask(running_rollout(), {}, {.blocked = true}), GateRefusal::blocked);
}

TEST(Gate, RefusesBeyondMaxSoaking) {
  auto rollout = running_rollout();
  rollout.spec.max_soaking = 3;
  EXPECT_EQ(ask(rollout, counted({{B::soaking, 2}})), GateRefusal::none);
  EXPECT_EQ(room(rollout, counted({{B::soaking, 1}})), 2);
  EXPECT_EQ(ask(rollout, counted({{B::soaking, 2}, {B::overdue, 1}})), GateRefusal::max_soaking);
  EXPECT_EQ(room(rollout, counted({{B::soaking, 2}, {B::overdue, 1}})), 0);
  EXPECT_EQ(ask(rollout, counted({{B::healthy, 100}, {B::failed, 1}})), GateRefusal::none);
}

TEST(Gate, RefusesBeyondTheBudget) {
  const auto rollout = running_rollout();
  ASSERT_EQ(rollout.budget, 10);
  EXPECT_EQ(ask(rollout, counted({{B::soaking, 9}})), GateRefusal::none);
  EXPECT_EQ(ask(rollout, counted({{B::soaking, 10}})), GateRefusal::budget);
  EXPECT_EQ(ask(rollout, counted({{B::overdue, 10}})), GateRefusal::budget);
  EXPECT_EQ(room(rollout, counted({{B::soaking, 4}})), 6);
}

TEST(Gate, CountsTheDevicesOfOneVersionByThemselves) {
  const auto rollout = running_rollout();
  RolloutCounts counts;
  add(counts, {{B::healthy, 900}}, "1.4.0");
  add(counts, {{B::soaking, 10}}, "1.3.2");
  EXPECT_EQ(ask(rollout, counts, {}, "1.4.0"), GateRefusal::none);
  EXPECT_EQ(ask(rollout, counts, {}, "1.3.2"), GateRefusal::budget);
  EXPECT_EQ(ask(rollout, counts, {}, "1.2.0"), GateRefusal::none) << "as many as at first";
}

TEST(Gate, CountsTheDevicesOfOneContactClassByThemselves) {
  const auto rollout = running_rollout();
  RolloutCounts counts;
  add(counts, {{B::healthy, 900}}, "1.4.0", ContactClass::minutes);
  add(counts, {{B::soaking, 10}}, "1.4.0", ContactClass::day);
  EXPECT_EQ(ask(rollout, counts, {}, "1.4.0", ContactClass::minutes), GateRefusal::none);
  EXPECT_EQ(ask(rollout, counts, {}, "1.4.0", ContactClass::day), GateRefusal::budget);
  EXPECT_EQ(ask(rollout, counts, {}, "1.4.0", ContactClass::hour), GateRefusal::none);
}

TEST(Gate, HoldsForAllDevicesTogetherToo) {
  const auto rollout = running_rollout();
  RolloutCounts counts;
  add(counts, {{B::soaking, 5}}, "1.4.0", ContactClass::minutes);
  add(counts, {{B::soaking, 5}}, "1.3.2", ContactClass::day);
  EXPECT_EQ(ask(rollout, counts, {}, "1.2.0", ContactClass::hour), GateRefusal::budget);
}

TEST(Gate, IsOpenWithoutABudget) {
  auto rollout = running_rollout();
  rollout.spec.max_failures = {Share::Kind::percent, 10'000};
  EXPECT_EQ(ask(rollout, counted({{B::failed, 900}, {B::soaking, 900}})), GateRefusal::none);
  EXPECT_GT(room(rollout, counted({{B::failed, 900}})), 1'000'000);
  rollout.spec.max_soaking = 1;
  EXPECT_EQ(ask(rollout, counted({{B::soaking, 1}})), GateRefusal::max_soaking);
  EXPECT_EQ(ask(rollout, {}, {.blocked = true}), GateRefusal::blocked);
}

}  // namespace
}  // namespace ota
