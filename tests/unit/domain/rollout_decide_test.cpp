#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/domain/rollout_fixture.hpp"

namespace ota {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using B = Bucket;

const Some kHealthyCanary{{B::healthy, 10}};

Decision decided(const Rollout& rollout, Some some = {}, Millis after = {}, FirmwareFacts firmware = {}) {
  return decide(rollout, counted(some), firmware, {}, kNow + after, kWall + after);
}

Step step(const Rollout& rollout, Some some = {}, Millis after = {}) { return decided(rollout, some, after).step; }

Rollout passed(int stage = 0) {
  auto rollout = running_rollout(stage);
  rollout.passed_tl = kNow;
  return rollout;
}

TEST(Decide, OpensTheFirstStageAtOnce) {
  Rollout rollout;
  rollout.spec.stages.resize(2);
  EXPECT_EQ(step(rollout), Step::open_stage);
  rollout.spec.stages[0].approve = true;
  EXPECT_EQ(step(rollout), Step::ask_approval);
  rollout.approved_stage = 0;
  EXPECT_EQ(step(rollout), Step::open_stage);
}

TEST(Decide, StartsAtItsTime) {
  Rollout rollout;
  rollout.spec.stages.resize(1);
  rollout.state = RolloutState::scheduled;
  rollout.spec.not_before = kWall + hours{2};
  const auto early = decided(rollout, {}, hours{1});
  EXPECT_EQ(early.step, Step::none);
  EXPECT_EQ(early.look_again, kNow + hours{2});
  EXPECT_EQ(step(rollout, {}, hours{2}), Step::start);
  rollout.spec.not_before.reset();
  EXPECT_EQ(step(rollout), Step::start);
}

TEST(Decide, PassesAStageThatIsFullAndHealthy) {
  const auto rollout = running_rollout();
  EXPECT_EQ(step(rollout, kHealthyCanary), Step::pass_stage);
  EXPECT_EQ(step(rollout, {{B::healthy, 9}, {B::soaking, 1}}), Step::pass_stage) << "90 %";
  EXPECT_EQ(step(rollout, {{B::healthy, 9}, {B::failed, 1}}), Step::pass_stage);
  EXPECT_EQ(step(rollout, {{B::healthy, 8}, {B::soaking, 2}}), Step::none);
  EXPECT_EQ(step(rollout, {{B::healthy, 9}}), Step::none) << "it isn't full";
  EXPECT_EQ(step(rollout, {{B::healthy, 9}, {B::absent, 1}}), Step::none) << "an absent device gave its place back";
}

TEST(Decide, PassesAStageThatTimedOutAndIsHealthy) {
  const auto rollout = running_rollout();
  const auto early = decided(rollout, {{B::healthy, 1}}, days{1} - Millis{1});
  EXPECT_EQ(early.step, Step::none);
  EXPECT_EQ(early.look_again, kNow + days{1});
  EXPECT_EQ(step(rollout, {{B::healthy, 1}}, days{1}), Step::pass_stage);
  EXPECT_EQ(step(rollout, {{B::healthy, 8}, {B::soaking, 1}}, days{1}), Step::none) << "8 of 9 are fewer than 90 %";
  const auto nobody = decided(rollout, {}, days{1});
  EXPECT_EQ(nobody.step, Step::none) << "at least one must be healthy";
  EXPECT_FALSE(nobody.look_again) << "time alone changes nothing any more";
}

TEST(Decide, PassesTheStageAtAnySizeOfItsTotal) {
  EXPECT_EQ(step(running_rollout(2, 5), {{B::healthy, 5}}), Step::pass_stage);
  EXPECT_EQ(step(running_rollout(2, 5), {{B::healthy, 4}, {B::soaking, 1}}), Step::none);
}

TEST(Decide, WaitsForTheDelayOfAStage) {
  auto rollout = passed();
  const auto waiting = decided(rollout, kHealthyCanary, minutes{59});
  EXPECT_EQ(waiting.step, Step::none);
  EXPECT_EQ(waiting.look_again, kNow + hours{1});
  EXPECT_EQ(step(rollout, kHealthyCanary, hours{1}), Step::open_stage);
  rollout.spec.stages[0].delay_s = 60;
  EXPECT_EQ(stage_delay(rollout), seconds{60});
  EXPECT_EQ(step(rollout, kHealthyCanary, seconds{59}), Step::none);
  EXPECT_EQ(step(rollout, kHealthyCanary, seconds{60}), Step::open_stage);
  rollout.spec.stages[0].delay_s = 0;
  EXPECT_EQ(step(rollout, kHealthyCanary), Step::open_stage);
}

TEST(Decide, OpensTheNextStageAtOnceWhereAnOperatorAdvancedIt) {
  auto rollout = passed();
  rollout.delay_over = true;
  EXPECT_EQ(step(rollout), Step::open_stage);
}

TEST(Decide, AsksForTheApprovalOfTheNextStage) {
  auto rollout = passed();
  rollout.spec.stages[1].approve = true;
  EXPECT_EQ(step(rollout, kHealthyCanary, minutes{59}), Step::none) << "the delay comes first";
  EXPECT_EQ(step(rollout, kHealthyCanary, hours{1}), Step::ask_approval);
  rollout.approved_stage = 1;
  EXPECT_EQ(step(rollout, kHealthyCanary, hours{1}), Step::open_stage);
}

TEST(Decide, AsksForTheApprovalOfASkippedStageToo) {
  auto rollout = running_rollout(0, 10);
  rollout.passed_tl = kNow;
  ASSERT_EQ(next_stage(rollout, 10), 2) << "10 % is the canary";
  rollout.spec.stages[1].approve = true;
  EXPECT_EQ(step(rollout, {{B::healthy, 1}}, hours{1}), Step::ask_approval);
  rollout.approved_stage = 2;
  EXPECT_EQ(step(rollout, {{B::healthy, 1}}, hours{1}), Step::open_stage);
}

TEST(Decide, CompletesWhenTheLastStageIsPassed) {
  EXPECT_EQ(step(passed(2)), Step::complete) << "without a delay";
  auto alone = running_rollout(0, 1);
  alone.passed_tl = kNow;
  EXPECT_EQ(step(alone), Step::complete) << "the other stages are no larger";
}

TEST(Decide, HaltsByABrakeBeforeAnythingElse) {
  auto rollout = passed();
  const auto halt = decided(rollout, {{B::failed, 10}, {B::healthy, 990}}, hours{1});
  EXPECT_EQ(halt.step, Step::halt);
  EXPECT_EQ(halt.reason, "budget_spent");
  EXPECT_EQ(decided(rollout, {}, {}, {.blocked = true}).reason, "blocked");
}

TEST(Decide, HaltsWhereBrakesAreArmed) {
  for (std::size_t i = 0; i < kRolloutStates; ++i) {
    auto rollout = running_rollout();
    rollout.state = static_cast<RolloutState>(i);
    EXPECT_EQ(step(rollout, {{B::failed, 10}}) == Step::halt, has_brakes(rollout.state)) << i;
  }
}

TEST(Decide, DoesNothingByItselfInOtherStates) {
  for (auto state : {RolloutState::waiting_start, RolloutState::waiting_stage, RolloutState::paused,
                     RolloutState::halted, RolloutState::completed, RolloutState::cancelled, RolloutState::expired,
                     RolloutState::superseded}) {
    auto rollout = running_rollout();
    rollout.state = state;
    EXPECT_EQ(step(rollout, kHealthyCanary, days{2}), Step::none) << to_string(state);
  }
}

TEST(Decide, LooksAgainWhenAPausedStageTimesOut) {
  auto rollout = running_rollout();
  rollout.state = RolloutState::paused;
  EXPECT_EQ(decided(rollout).look_again, kNow + days{1});
  EXPECT_FALSE(decided(rollout, {}, days{1}).look_again);
  rollout.budget = 5;
  EXPECT_EQ(decided(rollout, {{B::failed, 1}, {B::healthy, 1}}, days{1}).reason, "stage_failed");
}

TEST(Decide, ExpiresAtItsTime) {
  auto rollout = running_rollout();
  rollout.spec.expires_at = kWall + hours{3};
  EXPECT_EQ(decided(rollout, {}, hours{2}).look_again, kNow + hours{3}) << "before the stage times out";
  const auto expired = decided(rollout, {}, hours{3});
  EXPECT_EQ(expired.step, Step::expire);
  EXPECT_EQ(expired.reason, "expired");
  rollout.spec.expires_at = kWall + days{3};
  EXPECT_EQ(decided(rollout, {}, hours{2}).look_again, kNow + days{1}) << "the stage times out before";
  EXPECT_EQ(decided(rollout, {}, days{2}).look_again, kNow + days{3});
}

TEST(Decide, ExpiresWhileItIsOpenAlone) {
  for (std::size_t i = 0; i < kRolloutStates; ++i) {
    auto rollout = running_rollout();
    rollout.state = static_cast<RolloutState>(i);
    rollout.spec.expires_at = kWall;
    EXPECT_EQ(step(rollout) == Step::expire, is_open(rollout.state)) << i;
  }
}

TEST(Decide, DoesNotExpireWhatWasHaltedAfterItCompleted) {
  auto rollout = running_rollout();
  rollout.state = RolloutState::halted_target;
  rollout.spec.expires_at = kWall - days{30};
  EXPECT_EQ(step(rollout), Step::none);
}

TEST(NextStage, SkipsThoseThatAreNoLarger) {
  EXPECT_EQ(next_stage(running_rollout(0), 1'000), 1);
  EXPECT_EQ(next_stage(running_rollout(1), 1'000), 2);
  EXPECT_EQ(next_stage(running_rollout(2), 1'000), std::nullopt);
  EXPECT_EQ(next_stage(running_rollout(0, 10), 10), 2) << "canary and 10 % are one device";
  EXPECT_EQ(next_stage(running_rollout(0, 11), 11), 1);
  EXPECT_EQ(next_stage(running_rollout(0, 1), 1), std::nullopt);
  EXPECT_EQ(next_stage(running_rollout(0, 10), 1'000), 1) << "by the new total";
  Rollout unopened;
  unopened.spec.stages.resize(3);
  EXPECT_EQ(next_stage(unopened, 1), 0);
}

TEST(NextStage, NeverSkipsAStageForOtherDevices) {
  Rollout rollout;
  rollout.spec.stages.resize(2);
  rollout.spec.stages[0].tags = {{"site", "lab"}};
  open_stage(rollout, 0, 1'000, 8, 8, kNow, kWall);
  ASSERT_EQ(rollout.spec.stages[0].size, 8) << "the whole lab";
  EXPECT_EQ(next_stage(rollout, rollout.total), 1) << "the fleet is larger than the lab's total";
  rollout.passed_tl = kNow;
  EXPECT_EQ(step(rollout, {{B::healthy, 8}}, hours{1}), Step::open_stage);
  rollout.spec.stages[1].tags = rollout.spec.stages[0].tags;
  EXPECT_EQ(next_stage(rollout, rollout.total), std::nullopt);
}

TEST(OpenStage, FixesSizesAndTimes) {
  auto rollout = passed();
  rollout.delay_over = true;
  rollout.walked = Rollout::kRing;
  open_stage(rollout, 1, 812, 700, 720, kNow + hours{1}, kWall + hours{1});
  EXPECT_EQ(rollout.stage, 1);
  EXPECT_EQ(rollout.living, 812);
  EXPECT_EQ(rollout.eligible, 700);
  EXPECT_EQ(rollout.total, 720);
  EXPECT_EQ(rollout.budget, 7);
  EXPECT_EQ(rollout.open_stage()->size, 72);
  EXPECT_EQ(rollout.open_stage()->opened_at, kWall + hours{1});
  EXPECT_EQ(rollout.opened_tl, kNow + hours{1});
  EXPECT_EQ(rollout.news_tl, kNow + hours{1});
  EXPECT_FALSE(rollout.stage_is_passed());
  EXPECT_FALSE(rollout.delay_over);
  EXPECT_EQ(rollout.walked, 0u);
  EXPECT_FALSE(rollout.is_last_stage());
  open_stage(rollout, 2, 812, 700, 720, kNow, kWall);
  EXPECT_TRUE(rollout.is_last_stage());
  EXPECT_EQ(rollout.open_stage()->size, 720);
}

TEST(OpenStage, MarksThoseThatItSkips) {
  auto rollout = running_rollout(0, 10);
  open_stage(rollout, 2, 10, 9, 10, kNow, kWall);
  EXPECT_FALSE(rollout.spec.stages[0].skipped);
  EXPECT_TRUE(rollout.spec.stages[1].skipped);
  EXPECT_FALSE(rollout.spec.stages[2].skipped);
}

TEST(StageIsFull, WhenAsManyAreInAsItsSizeSays) {
  const auto rollout = running_rollout();
  EXPECT_FALSE(stage_is_full(rollout, counted({{B::assigned, 9}, {B::undelivered, 5}, {B::dropped, 5}})));
  EXPECT_TRUE(stage_is_full(rollout, counted({{B::assigned, 4}, {B::staged, 2}, {B::soaking, 1}, {B::overdue, 1},
                                              {B::healthy, 1}, {B::failed, 1}})));
  EXPECT_TRUE(stage_is_full(Rollout{}, {})) << "no stage is open";
}

}  // namespace
}  // namespace ota
