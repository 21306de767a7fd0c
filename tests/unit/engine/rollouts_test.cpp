// Rollouts carried out by the engine (docs/fleet.md). The rules alone: tests/unit/domain.
#include <gmock/gmock.h>

#include "support/sqlite_faults.hpp"
#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

using testing::ElementsAre;

TEST_F(FleetTest, AGoodRolloutGoesStageByStageAndMakesTheTarget) {
  devices(20);
  const auto id = rollout(spec());
  EXPECT_EQ(read(id).open_stage()->size, 1);
  EXPECT_EQ(read(id).budget, 1);
  for (int round = 0; round < 200 && read(id).state == RolloutState::running; ++round) {
    for (int i = 1; i <= 20; ++i) {
      const auto task = task_in(id, name(i));
      if (task && task->state == TaskState::succeeded) continue;
      if (task && task->state == TaskState::installing) {
        reports(name(i), "2.0.0");
      } else {
        fetches(name(i));
      }
    }
    advance(600s);
    ASSERT_EQ(miscounted(), "");
  }
  EXPECT_EQ(state_of(id), "completed");
  EXPECT_GE(in(id, Bucket::healthy), 18);
  const auto stages = read(id).spec.stages;
  EXPECT_TRUE(stages[1].skipped) << "1 % of 20 is no more than the canary";
  EXPECT_EQ(stages[2].size, 2);
  EXPECT_EQ(stages[3].size, 20);
  // Whoever comes later gets it by the target.
  EXPECT_EQ(fetches("late"), "success");
  EXPECT_EQ(verdict("late"), "installing");
}

TEST_F(FleetTest, AFailureSpendsTheBudgetAndHaltsIt) {
  devices(20);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  EXPECT_EQ(read(id).open_stage()->size, 20);
  EXPECT_EQ(fetches("gw-1"), "success");
  EXPECT_EQ(fetches("gw-2"), "hold") << "one at a time while nothing is proved";
  advance(1s);
  EXPECT_EQ(state_of(task_in(id, "gw-2")->id), TaskState::staged);
  says_state("gw-1", DeviceState::rolled_back);
  EXPECT_EQ(state_of(id), "halted budget_spent");
  EXPECT_EQ(fetches("gw-2"), "hold");
  EXPECT_EQ(verdict("gw-2"), "halted");
  EXPECT_EQ(fetches("gw-3"), "hold") << "downloads run on";
  EXPECT_EQ(command(id, RolloutEvent::resume).error().code, Errc::still_halted);
  pushes();
  ASSERT_TRUE(command(id, RolloutEvent::resume, "anna", Share{Share::Kind::count, 2}));
  EXPECT_EQ(state_of(id), "running");
  EXPECT_THAT(pushes(), ElementsAre("gw-2 success")) << "longest waiting first, and one only: 1 + 1 * 1 <= 2";
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, SilenceCountsFromTheEndOfTheSoak) {
  devices(20);
  auto wanted = spec();
  wanted.stages.clear();
  wanted.max_failures = {Share::Kind::count, 2};
  const auto id = rollout(wanted);
  EXPECT_EQ(fetches("gw-1"), "success");
  EXPECT_EQ(fetches("gw-2"), "success");
  EXPECT_EQ(fetches("gw-3"), "hold");
  advance(1801s);
  EXPECT_EQ(in(id, Bucket::overdue), 2);
  EXPECT_EQ(in(id, Bucket::soaking), 0);
  reports("gw-2", "2.0.0");
  EXPECT_EQ(in(id, Bucket::healthy), 1) << "heard after its soak, and says so";
  EXPECT_EQ(fetches("gw-3"), "success") << "1 overdue of 2 seen: 1 + 1 * 1 <= 2";
  advance(std::chrono::hours{72});
  advance(61s);
  EXPECT_EQ(task_in(id, "gw-1")->reason, "silent");
  EXPECT_EQ(in(id, Bucket::failed), 2);
  EXPECT_EQ(state_of(id), "halted budget_spent");
  reports("gw-1", "2.0.0");
  EXPECT_EQ(in(id, Bucket::healthy), 2) << "it comes back with the version";
  reports("gw-3", "1.0.0");
  EXPECT_EQ(task_in(id, "gw-3")->reason, "rolled_back");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, AnotherVersionBeforeTheSoakEndsIsNoFailureYet) {
  devices(5);
  const auto id = rollout(spec());
  std::string canary;
  for (int i = 1; i <= 5; ++i)
    if (task_in(id, name(i))) canary = name(i);
  EXPECT_EQ(fetches(canary), "success");
  EXPECT_EQ(fetches(canary), "success") << "not restarted yet";
  EXPECT_EQ(in(id, Bucket::soaking), 1);
  advance(1801s);
  reports(canary, "1.0.0");
  EXPECT_EQ(task_in(id, canary)->reason, "rolled_back");
  EXPECT_EQ(state_of(id), "halted budget_spent");
}

TEST_F(FleetTest, AHaltedTargetGivesNobodyAnythingAnyMore) {
  devices(1);
  const auto id = rollout(spec());
  updates("gw-1");
  EXPECT_EQ(state_of(id), "completed") << "of one device there are no more stages";
  EXPECT_EQ(fetches("late-1", "0.9.0"), "success");
  EXPECT_EQ(fetches("late-2", "0.9.0"), "hold") << "one at a time of a version that nothing is known of";
  says_state("late-1", DeviceState::failed);
  EXPECT_EQ(state_of(id), "halted budget_spent");
  EXPECT_EQ(fetches("late-3", "0.9.0"), "up_to_date");
  EXPECT_EQ(verdict("late-3"), "halted");
  EXPECT_EQ(create(spec("3.0.0")).value().created, true) << "a halted target stands in nobody's way";
}

TEST_F(FleetTest, PausedAdmitsNobodyAndLetsNobodyPass) {
  devices(4);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  ASSERT_TRUE(command(id, RolloutEvent::pause));
  EXPECT_EQ(fetches("gw-1"), "hold");
  EXPECT_EQ(verdict("gw-1"), "paused");
  devices(1, "1.0.0", 9);
  EXPECT_FALSE(task_in(id, "gw-9"));
  EXPECT_EQ(verdict("gw-9"), "paused");
  EXPECT_EQ(command(id, RolloutEvent::pause).error().code, Errc::wrong_state);
  pushes();
  ASSERT_TRUE(command(id, RolloutEvent::resume));
  EXPECT_THAT(pushes(), ElementsAre("gw-1 success"));
  EXPECT_EQ(verdict("gw-9"), "stage_full");
}

TEST_F(FleetTest, WhoInstallsBeforeTheGateIsInTheRegistry) {
  devices(4);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  ASSERT_TRUE(command(id, RolloutEvent::pause));
  ASSERT_EQ(fetches("gw-1"), "hold");
  says_state("gw-1", DeviceState::installed);
  EXPECT_EQ(state_of(task_in(id, "gw-1")->id), TaskState::succeeded);
  EXPECT_EQ(row_of("gw-1")->current_version, wanted.version);
  EXPECT_TRUE(row_of("gw-1")->version_confirmed);
  EXPECT_EQ(verdict("gw-1"), "up_to_date");
}

TEST_F(FleetTest, ASecondPersonApproves) {
  unit([](auto& s) { return on_put_channel(s, {"default", {}, true, {}}); }).value();
  devices(4);
  auto wanted = spec();
  wanted.stages.back().approve = true;
  const auto id = rollout(wanted);
  EXPECT_EQ(state_of(id), "waiting_approval");
  EXPECT_EQ(verdict("gw-1"), "waiting_approval");
  EXPECT_EQ(command(id, RolloutEvent::advance).error().code, Errc::wrong_state) << "no way round the approval";
  EXPECT_EQ(command(id, RolloutEvent::finish).error().code, Errc::wrong_state);
  EXPECT_EQ(command(id, RolloutEvent::approve, "anna").error().code, Errc::same_person);
  ASSERT_TRUE(command(id, RolloutEvent::approve, "ben"));
  EXPECT_EQ(state_of(id), "running");
  std::string canary;
  for (int i = 1; i <= 4; ++i)
    if (task_in(id, name(i))) canary = name(i);
  updates(canary);
  advance(3601s);
  EXPECT_EQ(state_of(id), "waiting_approval");
  ASSERT_TRUE(command(id, RolloutEvent::approve, "ben"));
  EXPECT_EQ(read(id).open_stage()->size, 4);
}

TEST_F(FleetTest, WhoMovesOrIsPinnedLeavesBeforeTheGate) {
  unit([](auto& s) { return on_put_channel(s, {"beta", {}, {}, {}}); }).value();
  devices(4);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  EXPECT_EQ(in(id, Bucket::assigned), 4);
  DeviceChange pin;
  pin.device = "gw-1";
  pin.pinned = true;
  ASSERT_TRUE(unit([&](auto& s) { return on_change_device(s, pin); }));
  EXPECT_EQ(verdict("gw-1"), "pinned");
  MoveOrder move{"beta", {"gw-2", "nobody"}, false};
  const auto moved = unit([&](auto& s) { return on_move_devices(s, move); }).value();
  EXPECT_EQ(moved.moved, 1);
  EXPECT_THAT(moved.unknown, ElementsAre("nobody"));
  EXPECT_EQ(in(id, Bucket::dropped), 2);
  EXPECT_EQ(verdict("gw-2"), "no_target");
  // It comes back.
  move = {"default", {"gw-2"}, false};
  EXPECT_EQ(unit([&](auto& s) { return on_move_devices(s, move); }).value().will_update, 1);
  reports("gw-2", "1.0.0");
  EXPECT_EQ(in(id, Bucket::dropped), 1);
  EXPECT_EQ(in(id, Bucket::assigned), 3);
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, InstallingWaitsForTheWindowButNotFetching) {
  devices(3);
  const auto now = clock.wall();
  const auto minute = [](WallTime t) {
    const auto of_day = t - std::chrono::floor<std::chrono::days>(t);
    return static_cast<std::uint16_t>(std::chrono::duration_cast<std::chrono::minutes>(of_day).count());
  };
  Window window;
  window.from = minute(now + std::chrono::hours{2});
  window.to = minute(now + std::chrono::hours{3});
  unit([&](auto& s) { return on_put_channel(s, {"default", Windows{window}, {}, {}}); }).value();
  auto wanted = spec();
  wanted.stages.clear();
  rollout(wanted);
  EXPECT_EQ(fetches("gw-1"), "hold");
  EXPECT_EQ(verdict("gw-1"), "window");
  pushes();
  for (int i = 0; i < 121; ++i) advance(60s);
  EXPECT_THAT(pushes(), ElementsAre("gw-1 success")) << "the window opened";
}

TEST_F(FleetTest, ADeviceMayPostponeForSoLong) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  wanted.postpone_s = 7200;
  const auto id = rollout(wanted);
  EXPECT_EQ(fetches("gw-1"), "success");
  const auto task = task_in(id, "gw-1")->id;
  ProgressReport later;
  later.task = task;
  later.state = DeviceState::postponed;
  later.until = clock.wall() + std::chrono::hours{24};
  const auto held = progress("gw-1", later);
  ASSERT_TRUE(held);
  EXPECT_EQ(std::get<HoldAnswer>(*held).reason, HoldReason::postponed);
  EXPECT_EQ(std::get<HoldAnswer>(*held).until, clock.wall() + 7200s);
  EXPECT_EQ(state_of(task), TaskState::staged);
  EXPECT_EQ(in(id, Bucket::soaking), 0);
  EXPECT_EQ(fetches("gw-2"), "success") << "its place is free";
  says_state("gw-2", DeviceState::installed);
  pushes();
  advance(7201s);
  EXPECT_EQ(in(id, Bucket::overdue), 1);
  reports("gw-2", "2.0.0");
  EXPECT_THAT(pushes(), ElementsAre("gw-1 success"));
  later.until = clock.wall() + std::chrono::hours{24};
  EXPECT_TRUE(std::holds_alternative<SuccessAnswer>(progress("gw-1", later).value())) << "no longer";
}

TEST_F(FleetTest, BlockedFirmwareIsInstalledByNobody) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  fetches("gw-1");
  fetches("gw-2");
  task_for("gw-9", "2.0.0");
  const auto firmware = read(id).firmware_id;
  ASSERT_TRUE(unit([&](auto& s) { return on_block_firmware(s, firmware, "bricks radios"); }));
  EXPECT_EQ(state_of(id), "halted blocked");
  EXPECT_EQ(fetches("gw-2"), "hold");
  EXPECT_EQ(fetches("gw-9"), "queued");
  EXPECT_EQ(upgrade(order("gw-3", "2.0.0")).error().code, Errc::blocked);
  EXPECT_EQ(create(spec()).error().code, Errc::blocked);
  EXPECT_EQ(command(id, RolloutEvent::resume).error().code, Errc::still_halted);
  ASSERT_TRUE(unit([&](auto& s) { return on_block_firmware(s, firmware, {}); }));
  EXPECT_TRUE(command(id, RolloutEvent::resume));
}

TEST_F(FleetTest, OneRolloutForAChannelAndHardware) {
  devices(3);
  const auto first = create(spec()).value();
  EXPECT_TRUE(first.created);
  EXPECT_FALSE(create(spec()).value().created);
  EXPECT_EQ(create(spec("3.0.0")).error().code, Errc::rollout_active);
  const auto second = create(spec("3.0.0"), true).value();
  EXPECT_TRUE(second.created);
  EXPECT_EQ(state_of(first.rollout.id), "superseded superseded");
  EXPECT_EQ(in(first.rollout.id, Bucket::dropped), 1);
  EXPECT_EQ(create(spec("9.0.0")).error().code, Errc::no_such_firmware);
  auto wrong = spec();
  wrong.channel = "nowhere";
  EXPECT_EQ(create(wrong).error().code, Errc::not_found);
}

TEST_F(FleetTest, RollbackGoesBackThroughTheSameGate) {
  devices(2);
  auto first = spec("2.0.0");
  first.stages.clear();
  const auto good = rollout(first);
  ASSERT_TRUE(command(good, RolloutEvent::finish));
  for (int i = 1; i <= 2; ++i) updates(name(i));
  auto wanted = spec("3.0.0");
  wanted.stages.clear();
  const auto bad = rollout(wanted);
  updates("gw-1", "3.0.0", "2.0.0");
  const auto back = unit([&](auto& s) { return on_rollback(s, bad, {}, "anna"); }).value();
  EXPECT_EQ(state_of(bad), "cancelled rolled back");
  EXPECT_EQ(back.spec.version, "2.0.0");
  EXPECT_EQ(fetches("gw-1", "3.0.0"), "success") << "force, from the bad version";
  EXPECT_FALSE(task_in(back.id, "gw-2")) << "it runs what it should";
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, RollbackOfAPartialRolloutKeepsTheTarget) {
  devices(2);
  auto wanted = spec("2.0.0");
  wanted.stages.clear();
  ASSERT_TRUE(command(rollout(wanted), RolloutEvent::finish));
  for (int i = 1; i <= 2; ++i) updates(name(i));
  wanted = spec("3.0.0");
  wanted.stages.clear();
  wanted.where = {"version=2.0.0"};  // no longer met by a device that was updated
  const auto bad = rollout(wanted);
  updates("gw-1", "3.0.0", "2.0.0");
  const auto back = unit([&](auto& s) { return on_rollback(s, bad, "1.0.0", "anna"); }).value();
  EXPECT_TRUE(back.spec.partial());
  EXPECT_EQ(fetches("gw-1", "3.0.0"), "success");
  EXPECT_FALSE(task_in(back.id, "gw-2"));
  ASSERT_TRUE(command(back.id, RolloutEvent::finish));
  EXPECT_EQ(unit([](auto& s) { return s.channels.targets().front().version; }), "2.0.0");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, RetryGivesADeviceAnotherChance) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  fetches("gw-1");
  says_state("gw-1", DeviceState::failed);
  EXPECT_EQ(state_of(id), "halted budget_spent");
  ASSERT_TRUE(command(id, RolloutEvent::retry));
  EXPECT_EQ(in(id, Bucket::failed), 0);
  ASSERT_TRUE(command(id, RolloutEvent::resume));
  EXPECT_EQ(fetches("gw-1"), "success");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, WhoLosesTheImageAtTheGateFetchesItAgain) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  fetches("gw-1");
  EXPECT_EQ(fetches("gw-2"), "hold");
  const auto task = task_in(id, "gw-2")->id;
  ProgressReport lost;
  lost.task = task;
  lost.state = DeviceState::failed;
  lost.reason = "the image is gone";
  EXPECT_EQ(type_of(progress("gw-2", lost).value()), "queued");
  const auto offer = std::get<Offer>(request("gw-2", says("gw-a", "1.0.0")));
  EXPECT_EQ(offer.attempt, 2);
  EXPECT_EQ(offer.missing, (ChunkRanges{{0, offer.grid.count() - 1}}));
  EXPECT_EQ(verify("gw-2", task, 2).index(), Answer{HoldAnswer{}}.index());
  EXPECT_EQ(type_of(verify("gw-2", task, 9)), "queued") << "another image than before";
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, FirmwareOfARolloutStays) {
  devices(1);
  const auto id = rollout(spec());
  ASSERT_TRUE(command(id, RolloutEvent::finish));
  updates("gw-1");
  const auto firmware = read(id).firmware_id;
  EXPECT_EQ(unit([&](auto& s) { return on_remove_firmware(s, firmware); }).error().code, Errc::in_use);
  ASSERT_TRUE(command(id, RolloutEvent::cancel));
  EXPECT_TRUE(unit([&](auto& s) { return on_remove_firmware(s, firmware); }));
}

TEST_F(FleetTest, AStartCountsAgainWhatWasMiscounted) {
  devices(5);
  const auto id = rollout(spec());
  test::spoil_counters(*db);
  restart();
  EXPECT_EQ(in(id, Bucket::assigned), 1);
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, WhatWasUndoneIsForgottenBeforeTheNextCommand) {
  devices(5);
  EXPECT_ANY_THROW(unit([&](auto& s) {
    RolloutOrder order;
    order.spec = spec();
    EXPECT_TRUE(on_create_rollout(s, order, "anna"));
    throw std::runtime_error("by the test");
  }));
  EXPECT_TRUE(create(spec()).value().created) << "the one before is gone";
}

TEST_F(FleetTest, ARestartForgetsNothing) {
  devices(20);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  fetches("gw-1");
  fetches("gw-2");
  restart();
  EXPECT_EQ(in(id, Bucket::soaking), 1);
  EXPECT_EQ(in(id, Bucket::staged), 1);
  advance(1801s);
  EXPECT_EQ(in(id, Bucket::overdue), 1);
  reports("gw-1", "2.0.0");
  EXPECT_EQ(in(id, Bucket::healthy), 1);
  EXPECT_EQ(fetches("gw-2"), "success");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(FleetTest, AnOrderForOneDeviceGoesBeforeWhatWaitsAtTheGate) {
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  rollout(wanted);
  fetches("gw-1");
  EXPECT_EQ(fetches("gw-2"), "hold");
  const auto own = task_for("gw-2", "3.0.0");
  EXPECT_EQ(state_of(own), TaskState::offered);
  verify("gw-2", own, 3);
  reports("gw-2", "3.0.0");
  EXPECT_EQ(state_of(own), TaskState::succeeded);
  EXPECT_EQ(verdict("gw-2"), "ahead");
}

}  // namespace
}  // namespace ota::engine
