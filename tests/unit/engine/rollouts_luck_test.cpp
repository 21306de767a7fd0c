// Rollouts where something goes wrong beside them: crashes, lost images, devices and firmware that change meanwhile.
#include <gmock/gmock.h>

#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

using RolloutLuckTest = FleetTest;

TEST_F(RolloutLuckTest, RetryLeavesWhoseRolloutItIsNoLonger) {
  unit([](auto& s) { return on_put_channel(s, {"beta", {}, {}, {}}); }).value();
  devices(3);
  auto wanted = spec();
  wanted.stages.clear();
  wanted.max_failures = {};  // no brakes
  const auto id = rollout(wanted);
  for (int i = 1; i <= 3; ++i) {
    fetches(name(i));
    says_state(name(i), DeviceState::failed);
  }
  ASSERT_EQ(in(id, Bucket::failed), 3);
  unit([](auto& s) { return on_move_devices(s, {"beta", {"gw-1"}, false}); }).value();
  DeviceChange pin;
  pin.device = "gw-2";
  pin.pinned = true;
  ASSERT_TRUE(unit([&](auto& s) { return on_change_device(s, pin); }));
  RolloutCommand again;
  again.id = id;
  again.event = RolloutEvent::retry;
  again.devices = {"gw-1"};
  EXPECT_EQ(unit([&](auto& s) { return on_rollout_command(s, again, "anna"); }).error().code, Errc::malformed);
  ASSERT_TRUE(command(id, RolloutEvent::retry));
  EXPECT_EQ(in(id, Bucket::failed), 2) << "one moved away, one is pinned";
  EXPECT_EQ(in(id, Bucket::assigned), 1);
  EXPECT_EQ(miscounted(), "");
}

TEST_F(RolloutLuckTest, TheFirmwareOfARolloutStays) {
  const auto id = rollout(spec());
  const auto firmware = read(id).firmware_id;
  EXPECT_EQ(unit([&](auto& s) { return on_remove_firmware(s, firmware); }).error().code, Errc::in_use);
  ASSERT_TRUE(command(id, RolloutEvent::cancel));
  EXPECT_TRUE(unit([&](auto& s) { return on_remove_firmware(s, firmware); }));
}

TEST_F(RolloutLuckTest, ADamagedImageHaltsItAtOnce) {
  const auto id = rollout(spec());
  unit([](auto& s) { return on_image_damaged(s, digest_of(2)); });
  EXPECT_EQ(state_of(id), "halted image_damaged");
}

TEST_F(RolloutLuckTest, WhoPostponesAfterTheEndIsOut) {
  devices(2);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  EXPECT_EQ(fetches("gw-1"), "success");
  ASSERT_TRUE(command(id, RolloutEvent::cancel));
  EXPECT_EQ(in(id, Bucket::soaking), 1) << "past the gate";
  ProgressReport later;
  later.task = task_in(id, "gw-1")->id;
  later.state = DeviceState::postponed;
  later.until = clock.wall() + std::chrono::hours{1};
  EXPECT_EQ(type_of(*progress("gw-1", later)), "cancel");
  EXPECT_EQ(in(id, Bucket::dropped), 2);
}

TEST_F(RolloutLuckTest, ACrashLeavesNoTasksOfAnEndedRollout) {
  devices(4);
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  EXPECT_EQ(fetches("gw-1"), "success");
  // As if it crashed before the jobs that end the tasks of a large rollout.
  unit([&](auto& s) {
    auto ended = s.rollouts.read(id.number).value();
    ended.state = RolloutState::cancelled;
    s.rows.rollouts().update(ended);
  });
  restart();
  EXPECT_EQ(in(id, Bucket::dropped), 3);
  EXPECT_EQ(in(id, Bucket::soaking), 1) << "whoever is past the gate goes on";
  EXPECT_EQ(miscounted(), "");
}

}  // namespace
}  // namespace ota::engine
