#include <gtest/gtest.h>

#include <string>

#include "unit/domain/rollout_fixture.hpp"

namespace ota {
namespace {

using std::chrono::days;
using B = Bucket;

std::string brake_of(const Rollout& rollout, Some some, FirmwareFacts firmware = {}, Millis after = {}) {
  return std::string(brake(rollout, counted(some), firmware, {}, kNow + after));
}

TEST(Brakes, HoldWhereTheFirmwareIsBlockedOrDamaged) {
  EXPECT_EQ(brake_of(running_rollout(), {}, {.blocked = true}), "blocked");
  EXPECT_EQ(brake_of(running_rollout(), {}, {.damaged = true}), "image_damaged");
  auto rollout = running_rollout();
  rollout.spec.max_failures = {Share::Kind::percent, 10'000};
  EXPECT_EQ(brake_of(rollout, {}, {.blocked = true}), "blocked");
  EXPECT_EQ(brake_of(rollout, {}, {.damaged = true}), "image_damaged");
}

TEST(Brakes, HoldWhenTheBudgetIsSpent) {
  const auto rollout = running_rollout(2);
  EXPECT_EQ(brake_of(rollout, {{B::failed, 9}, {B::healthy, 900}}), "");
  EXPECT_EQ(brake_of(rollout, {{B::failed, 10}, {B::healthy, 900}}), "budget_spent");
  EXPECT_EQ(brake_of(rollout, {{B::failed, 9}, {B::overdue, 50}, {B::healthy, 900}}), "")
      << "overdue devices close the gate, they don't halt";
}

TEST(Brakes, HoldWhenOneDeviceFailedOfASmallFleet) {
  const auto rollout = running_rollout(0, 30);
  ASSERT_EQ(rollout.budget, 1);
  EXPECT_EQ(brake_of(rollout, {{B::failed, 1}}), "budget_spent");
}

TEST(Brakes, HoldWhenTooLargeAShareFailed) {
  const auto rollout = running_rollout(2);
  EXPECT_EQ(brake_of(rollout, {{B::failed, 1}, {B::assigned, 5}}), "") << "one of one may be bad luck";
  EXPECT_EQ(brake_of(rollout, {{B::failed, 2}, {B::healthy, 38}}), "") << "2 of 40 are 5 %";
  EXPECT_EQ(brake_of(rollout, {{B::failed, 2}, {B::healthy, 37}}), "failure_rate");
  EXPECT_EQ(brake_of(rollout, {{B::failed, 2}, {B::healthy, 17}, {B::soaking, 10}, {B::overdue, 11}}), "")
      << "all of those past the gate count";
  EXPECT_EQ(brake_of(rollout, {{B::failed, 2}, {B::healthy, 37}, {B::assigned, 100}, {B::staged, 100}}),
            "failure_rate");
}

TEST(Brakes, TakeTheRateOfTheSettings) {
  RolloutLimits limits;
  limits.max_failure_rate = {Share::Kind::percent, 1'000};
  const auto rollout = running_rollout(2);
  EXPECT_EQ(brake(rollout, counted({{B::failed, 2}, {B::healthy, 18}}), {}, limits, kNow), "");
  EXPECT_EQ(brake(rollout, counted({{B::failed, 2}, {B::healthy, 17}}), {}, limits, kNow), "failure_rate");
}

TEST(Brakes, HoldWhenAStageEndedUnhealthy) {
  auto rollout = running_rollout();
  rollout.budget = 5;
  EXPECT_EQ(brake_of(rollout, {{B::failed, 1}, {B::healthy, 9}}), "") << "90 %";
  rollout.spec.stages[0].size = 9;
  EXPECT_EQ(brake_of(rollout, {{B::failed, 1}, {B::healthy, 8}}), "stage_failed");
  for (auto open : {B::assigned, B::staged, B::soaking, B::overdue})
    EXPECT_EQ(brake_of(rollout, {{B::failed, 1}, {B::healthy, 7}, {open, 1}}), "") << "one is undecided";
}

TEST(Brakes, HoldWhenAStageTimedOutUnhealthy) {
  auto rollout = running_rollout();
  rollout.budget = 5;
  const Some half{{B::failed, 1}, {B::healthy, 4}};
  EXPECT_EQ(brake_of(rollout, half), "") << "it isn't full";
  EXPECT_EQ(brake_of(rollout, half, {}, days{1} - Millis{1}), "");
  EXPECT_EQ(brake_of(rollout, half, {}, days{1}), "stage_failed");
  EXPECT_EQ(brake_of(rollout, {}, {}, days{1}), "") << "nobody is in it";
  EXPECT_EQ(brake_of(rollout, {{B::absent, 3}}, {}, days{1}), "") << "nobody is in it";
}

TEST(Brakes, OfAStageHoldUntilItIsPassed) {
  auto rollout = running_rollout();
  rollout.budget = 5;
  const Some half{{B::failed, 1}, {B::healthy, 4}};
  rollout.passed_tl = kNow;
  EXPECT_EQ(brake_of(rollout, half, {}, days{1}), "") << "an operator advanced it";
  rollout.passed_tl.reset();
  rollout.state = RolloutState::completed;
  EXPECT_EQ(brake_of(rollout, half, {}, days{1}), "") << "an operator finished it";
  rollout.state = RolloutState::halted_target;
  EXPECT_EQ(brake_of(rollout, half, {}, days{1}), "");
  rollout.state = RolloutState::halted;
  EXPECT_EQ(brake_of(rollout, half, {}, days{1}), "stage_failed");
}

TEST(Brakes, HoldWhenManyCannotBeDelivered) {
  const auto rollout = running_rollout(1);
  EXPECT_EQ(brake_of(rollout, {{B::undelivered, 9}, {B::assigned, 1}}), "");
  EXPECT_EQ(brake_of(rollout, {{B::undelivered, 10}, {B::assigned, 19}}), "undeliverable");
  EXPECT_EQ(brake_of(rollout, {{B::undelivered, 10}, {B::assigned, 20}}), "") << "half is not more than half";
  EXPECT_EQ(brake_of(rollout, {{B::undelivered, 10}}), "undeliverable");
}

TEST(Brakes, AreOffWithoutABudget) {
  auto rollout = running_rollout();
  rollout.spec.max_failures = {Share::Kind::percent, 10'000};
  EXPECT_EQ(brake_of(rollout, {{B::failed, 1'000}, {B::undelivered, 1'000}}, {}, days{1}), "");
}

TEST(Brakes, HaveNothingToHoldBeforeTheFirstStage) {
  Rollout rollout;
  rollout.spec.stages.resize(1);
  EXPECT_EQ(brake_of(rollout, {}), "");
  EXPECT_EQ(brake_of(rollout, {}, {.blocked = true}), "blocked");
}

}  // namespace
}  // namespace ota
