#include <gtest/gtest.h>

#include <iterator>

#include "unit/domain/rollout_fixture.hpp"

namespace ota {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using B = Bucket;

Waiting waits(const Rollout& rollout, Some some = {}, Surroundings around = {}, Millis after = {}) {
  return waiting_for(rollout, counted(some), around, kNow + after, kWall + after);
}

Rollout in_state(RolloutState state) {
  auto rollout = running_rollout();
  rollout.state = state;
  return rollout;
}

TEST(WaitingFor, APerson) {
  EXPECT_EQ(waits(in_state(RolloutState::waiting_start)).what, WaitingFor::approval);
  EXPECT_EQ(waits(in_state(RolloutState::waiting_start)).text, "a second person has to approve the rollout");
  EXPECT_EQ(waits(in_state(RolloutState::waiting_stage)).what, WaitingFor::approval);
  EXPECT_EQ(waits(in_state(RolloutState::waiting_stage)).text, "a second person has to approve stage 2");
  auto small = running_rollout(0, 10);
  small.state = RolloutState::waiting_stage;
  EXPECT_EQ(waits(small).text, "a second person has to approve stage 3") << "the second is skipped";
  EXPECT_EQ(waits(in_state(RolloutState::paused)).what, WaitingFor::operator_);
  EXPECT_EQ(waits(in_state(RolloutState::paused)).text, "an operator paused it");
  auto halted = in_state(RolloutState::halted);
  halted.reason = "budget_spent";
  EXPECT_EQ(waits(halted).what, WaitingFor::operator_);
  EXPECT_EQ(waits(halted).text, "halted by itself (budget_spent): 0 devices failed, and the failure budget is " + std::to_string(halted.budget));
}

TEST(WaitingFor, NothingAtItsEnd) {
  for (auto state :
       {RolloutState::completed, RolloutState::cancelled, RolloutState::expired, RolloutState::superseded}) {
    EXPECT_EQ(waits(in_state(state)).what, WaitingFor::nothing);
    EXPECT_EQ(waits(in_state(state)).text, "");
  }
}

TEST(WaitingFor, ItsStart) {
  auto rollout = in_state(RolloutState::scheduled);
  rollout.spec.not_before = kWall + hours{1};
  EXPECT_EQ(waits(rollout).what, WaitingFor::start);
  EXPECT_EQ(waits(rollout).until, kWall + hours{1});
  Rollout unopened;
  unopened.spec.stages.resize(1);
  EXPECT_EQ(waits(unopened).what, WaitingFor::start);
}

TEST(WaitingFor, Proof) {
  EXPECT_EQ(waits(running_rollout(1), {{B::soaking, 9}, {B::overdue, 1}, {B::healthy, 61}}).what, WaitingFor::proof);
  EXPECT_EQ(waits(running_rollout(1), {{B::soaking, 9}, {B::overdue, 1}, {B::healthy, 61}}).text,
            "10 devices have to prove themselves: 90 of 100 are needed, 61 have");
  EXPECT_EQ(waits(running_rollout(), {{B::soaking, 1}, {B::healthy, 1}}).text,
            "1 device has to prove itself: 9 of 10 are needed, 1 has");
  EXPECT_EQ(waits(running_rollout(), {{B::assigned, 1}}).text, "1 device gets the update: 9 of 10 are needed, 0 have");
  EXPECT_EQ(waits(running_rollout(), {{B::assigned, 2}, {B::staged, 1}}).text,
            "3 devices get the update: 9 of 10 are needed, 0 have");
}

TEST(WaitingFor, TheWindow) {
  const Surroundings closed{kWall + hours{5}, true, false};
  const auto window = waits(running_rollout(), {{B::staged, 2}}, closed);
  EXPECT_EQ(window.what, WaitingFor::window);
  EXPECT_EQ(window.until, kWall + hours{5});
  EXPECT_EQ(window.text, "2 devices with the image wait for the maintenance window");
  EXPECT_EQ(waits(running_rollout(), {{B::staged, 2}, {B::soaking, 1}}, closed).what, WaitingFor::proof);
}

TEST(WaitingFor, Slots) {
  const auto slots = waits(running_rollout(), {{B::assigned, 2}}, {{}, false, true});
  EXPECT_EQ(slots.what, WaitingFor::slots);
  EXPECT_EQ(slots.text, "2 devices wait for a free slot (tasks.max_active)");
}

TEST(WaitingFor, Devices) {
  const auto none = waits(running_rollout(), {{B::healthy, 5}, {B::absent, 3}});
  EXPECT_EQ(none.what, WaitingFor::devices);
  EXPECT_EQ(none.text, "no device that may have it is present: 5 of 10 are in this stage, 3 absent");
}

TEST(WaitingFor, TheDelayOfAStage) {
  auto stage_passed = running_rollout();
  stage_passed.passed_tl = kNow;
  const auto delay = waits(stage_passed, {{B::healthy, 10}}, {}, minutes{20});
  EXPECT_EQ(delay.what, WaitingFor::delay);
  EXPECT_EQ(delay.until, kWall + hours{1});
  EXPECT_EQ(delay.text, "stage 1 is passed; the next opens after its delay");
}

TEST(WaitingFor, HasTheNamesOfRest) {
  const char* const names[] = {"", "proof", "devices", "delay", "approval", "window", "slots", "start", "operator"};
  for (std::size_t i = 0; i < std::size(names); ++i) EXPECT_EQ(to_string(static_cast<WaitingFor>(i)), names[i]);
}

}  // namespace
}  // namespace ota
