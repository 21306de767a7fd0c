// Devices that only poll in rollouts: the gate stands before what they are shown (docs/fleet.md).
#include "engine/action_commands.hpp"
#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

class ActionsGateTest : public FleetTest {
 protected:
  ActionsGateTest() {
    Firmware f;
    f.version = "5.0.0";
    f.hardware = "gw-a";
    f.size = 4 * 524'288;
    f.checksum = digest_of(5);
    f.file = FirmwareFile{"gw-a-5.0.0.swu", {}, {}};
    unit([&](auto& s) { return on_add_firmware(s, f); });
  }
  static DeviceId id(const std::string& device) { return *DeviceId::parse(device); }

  std::optional<ActionId> poll(const std::string& device) {
    return unit([&](auto& s) { return on_poll(s, id(device), {}, std::chrono::seconds{300}); }).value().install;
  }
  void pollers(int count) {
    devices(count);
    for (int i = 1; i <= count; ++i) poll(name(i));
  }
  void closed(const std::string& device, ActionId action, Finished finished) {
    const ActionReport report{action, Execution::closed, finished, {}, false};
    EXPECT_TRUE(unit([&](auto& s) { return on_action_report(s, id(device), {}, report); }));
  }
  void download(const RolloutId& rollout, const std::string& device) {
    const auto task = task_in(rollout, device).value();
    transfers().sent(task.id.number, task.grid(), 0, task.size);
    advance(1'100ms);
  }
  /// Of the first `count` devices, those that are shown the update when they poll.
  std::vector<std::string> shown(int count) {
    std::vector<std::string> names;
    for (int i = 1; i <= count; ++i)
      if (poll(name(i))) names.push_back(name(i));
    return names;
  }
  RolloutId start(const char* budget = "1") {
    auto wanted = spec("5.0.0");
    wanted.stages.resize(1);
    wanted.stages[0].to = *Share::parse("100%");
    wanted.max_failures = *Share::parse(budget);
    return rollout(wanted);
  }
};

TEST_F(ActionsGateTest, NoMoreAreShownItThanTheBudgetCovers) {
  pollers(20);
  const auto id = start("2");
  EXPECT_EQ(shown(20).size(), 2u) << "while nothing is proved";
  EXPECT_EQ(in(id, Bucket::soaking), 2);
  EXPECT_EQ(in(id, Bucket::assigned), 18);
  EXPECT_EQ(shown(20).size(), 2u) << "the same ones";
  EXPECT_EQ(verdict(name(20)), "pace");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(ActionsGateTest, SilenceIsNoFailureBeforeTheLastByte) {
  pollers(3);
  const auto id = start();
  const auto device = shown(3).at(0);
  advance(std::chrono::seconds{751});
  EXPECT_EQ(in(id, Bucket::soaking), 0);
  EXPECT_EQ(in(id, Bucket::absent) + in(id, Bucket::assigned), 3) << device;
  EXPECT_EQ(shown(3).size(), 1u) << "another one may try";
}

TEST_F(ActionsGateTest, AFailureBeforeTheLastByteIsUndelivered) {
  pollers(1);
  const auto id = start();
  for (int attempt = 0; attempt < 3; ++attempt) {
    closed(name(1), poll(name(1)).value(), Finished::failure);
    advance(61s);
  }
  EXPECT_EQ(in(id, Bucket::undelivered), 1);
  EXPECT_EQ(miscounted(), "");
}

TEST_F(ActionsGateTest, AFailureAfterItIsAFailure) {
  pollers(3);
  const auto id = start();
  const auto device = shown(3).at(0);
  const auto action = poll(device).value();
  download(id, device);
  EXPECT_EQ(in(id, Bucket::soaking), 1);
  closed(device, action, Finished::failure);
  EXPECT_EQ(in(id, Bucket::failed), 1);
  EXPECT_EQ(state_of(id), "halted budget_spent");
  EXPECT_TRUE(shown(3).empty()) << "nobody else gets it";
  EXPECT_EQ(miscounted(), "");
}

TEST_F(ActionsGateTest, SoakingBeginsWithTheLastByteAndEndsWithAPoll) {
  pollers(3);
  const auto id = start();
  const auto device = shown(3).at(0);
  const auto action = poll(device).value();
  advance(600s);
  EXPECT_TRUE(poll(device));
  download(id, device);
  advance(600s);
  closed(device, action, Finished::success);
  EXPECT_EQ(in(id, Bucket::soaking), 1) << "it says so, and has to prove it";
  EXPECT_FALSE(poll(device)) << "it is done with the action";
  advance(1'000s);
  poll(device);
  EXPECT_EQ(in(id, Bucket::healthy), 0);
  advance(300s);
  poll(device);
  EXPECT_EQ(in(id, Bucket::healthy), 1);
  EXPECT_EQ(miscounted(), "");
}

TEST_F(ActionsGateTest, WhoIsSilentAfterTheLastByteFails) {
  pollers(3);
  const auto id = start();
  const auto device = shown(3).at(0);
  download(id, device);
  advance(1'801s);
  EXPECT_EQ(in(id, Bucket::overdue), 1);
  advance(std::chrono::hours{3});
  EXPECT_EQ(in(id, Bucket::failed), 1);
  EXPECT_EQ(state_of(id), "halted budget_spent");
}

TEST_F(ActionsGateTest, APausedRolloutIsShownToNobody) {
  pollers(3);
  const auto id = start();
  EXPECT_TRUE(command(id, RolloutEvent::pause));
  EXPECT_TRUE(shown(3).empty());
  EXPECT_TRUE(command(id, RolloutEvent::resume));
  EXPECT_EQ(shown(3).size(), 1u);
}

TEST_F(ActionsGateTest, NobodyIsLeftWaitingForARolloutThatEnded) {
  pollers(3);
  const auto id = start();
  const auto device = shown(3).at(0);
  EXPECT_TRUE(command(id, RolloutEvent::cancel));
  EXPECT_TRUE(poll(device)) << "it passed the gate and goes on";
  advance(std::chrono::seconds{751});
  poll(device);
  EXPECT_EQ(task_in(id, device)->state, TaskState::cancelled) << "before the gate again it has ended";
  EXPECT_EQ(miscounted(), "");
}

TEST_F(ActionsGateTest, WhoIsIdleIsLookedAtWhenARolloutBegins) {
  pollers(3);
  auto& idle = loop->idle_polls();
  EXPECT_TRUE(idle.find(name(1), {}));
  const auto id = start("100%");
  EXPECT_FALSE(idle.find(name(1), {}));
  EXPECT_EQ(shown(3).size(), 3u);
  for (int i = 1; i <= 3; ++i) EXPECT_FALSE(idle.find(name(i), {}));
  EXPECT_TRUE(command(id, RolloutEvent::pause));
  poll(name(1));
  EXPECT_FALSE(idle.find(name(1), {})) << "the rollout may go on";
}

TEST_F(ActionsGateTest, CountersAreRightAfterARestart) {
  pollers(5);
  const auto id = start("2");
  const auto first = shown(5).at(0);
  download(id, first);
  restart();
  EXPECT_EQ(in(id, Bucket::soaking), 2);
  EXPECT_EQ(shown(5).size(), 2u);
  EXPECT_EQ(miscounted(), "");
}

}  // namespace
}  // namespace ota::engine
