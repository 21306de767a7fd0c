// docs/device-protocol.md, Confirmation.
#include "engine/confirmation.hpp"

#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class Confirmation : public TaskServiceTest {
 protected:
  Confirmation() {
    add_firmware("2.0.0");
    add_firmware("3.0.0", "gw-a", 3);
  }
  /// A task for a device that says what it runs, its image verified.
  TaskId verified(const std::string& device, std::optional<Confirm> confirm = {}) {
    request(device, says("gw-a", "1.0.0"));
    auto o = order(device, "2.0.0");
    o.confirm = confirm;
    const auto id = upgrade(o).value().task.id;
    verify(device, id, 1);
    return id;
  }
  std::optional<Answer> says_state(const std::string& device, const TaskId& task, DeviceState what, std::string text) {
    ProgressReport message;
    message.task = task;
    message.state = what;
    message.reason = std::move(text);
    return progress(device, message);
  }
  std::string runs(const std::string& device) {
    const auto found = row_of(device).value();
    return found.current_version + (found.version_confirmed ? "" : "?");
  }
  std::string how(const TaskId& id) {
    const auto task = row(id);
    return std::string(to_string(task.state)) + (task.reason.empty() ? "" : " " + task.reason) +
           (task.confirmed ? " confirmed" : "");
  }
};

TEST_F(Confirmation, ADeviceThatTellsItsVersionConfirmsByDefault) {
  const auto id = verified("gw-1");
  EXPECT_EQ(how(id), "installing");
  EXPECT_EQ(runs("gw-1"), "1.0.0") << "the image alone changes nothing";
  EXPECT_TRUE(std::get<SuccessAnswer>(request("gw-1", says("gw-a", "1.0.0"))).confirm_by) << "not installed yet";
  EXPECT_EQ(how(id), "installing");
  EXPECT_EQ(std::get<UpToDateAnswer>(request("gw-1", says("gw-a", "2.0.0"))).version, "2.0.0");
  EXPECT_EQ(how(id), "succeeded confirmed");
  EXPECT_EQ(runs("gw-1"), "2.0.0");
}

TEST_F(Confirmation, OneThatNeverToldItsVersionEndsWithTheImageAndIsNotConfirmed) {
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_FALSE(std::get<SuccessAnswer>(verify("gw-1", id, 1)).confirm_by);
  EXPECT_EQ(how(id), "succeeded");
  EXPECT_EQ(runs("gw-1"), "2.0.0?");
  state("gw-1", id, DeviceState::installed);
  EXPECT_EQ(how(id), "succeeded confirmed");
  EXPECT_EQ(runs("gw-1"), "2.0.0");
}

TEST_F(Confirmation, AnOrderAndTheSettingDecideWhetherItWaits) {
  EXPECT_EQ(how(verified("gw-1", Confirm::never)), "succeeded");
  request("gw-2");
  auto o = order("gw-2", "2.0.0");
  o.confirm = Confirm::always;
  const auto always = upgrade(o).value().task.id;
  verify("gw-2", always, 1);
  EXPECT_EQ(how(always), "installing");
  options.tasks.confirm = "never";
  service->set_options(options);
  EXPECT_EQ(how(verified("gw-3")), "succeeded");
  options.tasks.confirm = "always";
  service->set_options(options);
  const auto fourth = task_for("gw-4", "2.0.0");
  verify("gw-4", fourth, 1);
  EXPECT_EQ(how(fourth), "installing");
}

TEST_F(Confirmation, AFailureAfterSuccessEndsItWithTheDevicesOwnText) {
  const auto back = verified("gw-1");
  EXPECT_EQ(std::get<FailedAnswer>(*says_state("gw-1", back, DeviceState::rolled_back, "health check: no DNS")).reason,
            "rolled_back");
  EXPECT_EQ(how(back), "failed rolled_back");
  EXPECT_EQ(row(back).detail, "health check: no DNS");
  EXPECT_EQ(log_of(back).back().detail, "health check: no DNS");
  EXPECT_EQ(runs("gw-1"), "1.0.0");

  const auto failed = verified("gw-2");
  const auto say = [&] { return says_state("gw-2", failed, DeviceState::failed, "dd: no space left"); };
  EXPECT_EQ(std::get<FailedAnswer>(*say()).reason, "device_failed");
  EXPECT_EQ(how(failed), "failed device_failed");
  EXPECT_EQ(row(failed).detail, "dd: no space left");
  EXPECT_EQ(row(failed).attempt, 1);
  EXPECT_EQ(std::get<FailedAnswer>(*say()).reason, "device_failed") << "said again, answered again";
}

TEST_F(Confirmation, AFailureIsOneAlsoWhereTheTaskHadSucceeded) {
  for (const auto what : {DeviceState::rolled_back, DeviceState::failed}) {
    const std::string device = "never-tells-" + std::string(to_string(what));
    const auto id = task_for(device, "2.0.0");
    verify(device, id, 1);
    ASSERT_EQ(how(id), "succeeded");
    EXPECT_TRUE(std::holds_alternative<FailedAnswer>(*says_state(device, id, what, "bad flash")));
    EXPECT_EQ(state_of(id), TaskState::failed);
    EXPECT_EQ(row(id).detail, "bad flash");
    EXPECT_EQ(runs(device), "?") << "what it ran before was never known";
    EXPECT_TRUE(upgrade(order(device, "2.0.0"))) << "a repair isn't refused";
  }
  const auto confirmed = verified("gw-1");
  request("gw-1", says("gw-a", "2.0.0"));
  ASSERT_EQ(how(confirmed), "succeeded confirmed");
  says_state("gw-1", confirmed, DeviceState::rolled_back, "watchdog");
  EXPECT_EQ(how(confirmed), "failed rolled_back");
  EXPECT_EQ(runs("gw-1"), "1.0.0?");
  EXPECT_TRUE(upgrade(order("gw-1", "2.0.0")));
}

TEST_F(Confirmation, ARequestWithAnotherVersionIsARollBack) {
  const auto early = verified("gw-1", Confirm::never);
  ASSERT_EQ(how(early), "succeeded");
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(how(early), "failed rolled_back");
  EXPECT_EQ(runs("gw-1"), "1.0.0");

  const auto later = verified("gw-2");
  request("gw-2", says("gw-a", "2.0.0"));
  ASSERT_EQ(how(later), "succeeded confirmed");
  request("gw-2", says("gw-a", "1.0.0"));
  EXPECT_EQ(how(later), "failed rolled_back");
  EXPECT_EQ(runs("gw-2"), "1.0.0");
  EXPECT_TRUE(upgrade(order("gw-2", "2.0.0")));

  const auto third = verified("gw-3");
  pushes();
  request("gw-3", says("gw-a", "0.9.0"));
  EXPECT_EQ(how(third), "failed rolled_back") << "neither the new version nor the one before";
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-3 failed"});
}

TEST_F(Confirmation, TheVersionThatItCameFromIsNotInstalledYetUntilTheTimeIsOver) {
  const auto id = verified("gw-1");
  for (const auto what : {DeviceState::installing, DeviceState::rebooting}) {
    state("gw-1", id, what);
    EXPECT_TRUE(std::holds_alternative<SuccessAnswer>(request("gw-1", says("gw-a", "1.0.0"))));
    EXPECT_EQ(how(id), "installing");
  }
  advance(901s);
  EXPECT_EQ(how(id), "failed confirm_timeout");
}

TEST_F(Confirmation, WhatItRunsInTheEndDecides) {
  const auto id = verified("gw-1");
  request("gw-1", says("gw-a", "1.2.0"));
  ASSERT_EQ(how(id), "failed rolled_back");
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(how(id), "failed rolled_back");
}

TEST_F(Confirmation, ALateConfirmationTurnsATimeoutIntoSuccess) {
  const auto id = verified("gw-1");
  advance(901s);
  ASSERT_EQ(how(id), "failed confirm_timeout");
  EXPECT_EQ(runs("gw-1"), "1.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  ASSERT_EQ(how(id), "failed confirm_timeout");
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  EXPECT_EQ(row(id).reason, "");

  const auto other = verified("gw-2");
  advance(901s);
  state("gw-2", other, DeviceState::installed);
  EXPECT_EQ(how(other), "succeeded confirmed");

  const auto cause = verified("gw-3");
  advance(901s);
  says_state("gw-3", cause, DeviceState::failed, "no boot slot");
  EXPECT_EQ(how(cause), "failed device_failed") << "the cause, though late";
  EXPECT_EQ(row(cause).detail, "no boot slot");
}

TEST_F(Confirmation, OnlyTheLastUpdateIsOpenToTheDevice) {
  const auto older = verified("gw-1");
  request("gw-1", says("gw-a", "2.0.0"));
  const auto newer = upgrade(order("gw-1", "3.0.0")).value().task.id;
  verify("gw-1", newer, 3);
  request("gw-1", says("gw-a", "3.0.0"));
  ASSERT_EQ(how(newer), "succeeded confirmed");
  EXPECT_FALSE(state("gw-1", older, DeviceState::rolled_back));
  EXPECT_FALSE(state("gw-1", older, DeviceState::installed));
  EXPECT_EQ(how(older), "succeeded confirmed");
  EXPECT_EQ(runs("gw-1"), "3.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(how(newer), "failed rolled_back");
  EXPECT_EQ(how(older), "succeeded confirmed");
}

TEST_F(Confirmation, ANewerVersionByOtherMeansIsNoFailure) {
  const auto done = verified("gw-1");
  request("gw-1", says("gw-a", "2.0.0"));
  request("gw-1", says("gw-a", "4.0.0"));
  EXPECT_EQ(how(done), "succeeded confirmed");
  EXPECT_EQ(runs("gw-1"), "4.0.0");
  const auto waits = verified("gw-2");
  request("gw-2", says("gw-a", "4.0.0"));
  EXPECT_EQ(how(waits), "cancelled superseded");
}

TEST_F(Confirmation, AForcedDowngradeIsConfirmedAndRolledBackLikeAnyOther) {
  request("gw-1", says("gw-a", "5.0.0"));
  auto o = order("gw-1", "2.0.0");
  o.force = true;
  const auto id = upgrade(o).value().task.id;
  verify("gw-1", id, 1);
  EXPECT_TRUE(std::holds_alternative<SuccessAnswer>(request("gw-1", says("gw-a", "5.0.0"))));
  EXPECT_EQ(how(id), "installing");
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  request("gw-1", says("gw-a", "5.0.0"));
  EXPECT_EQ(how(id), "failed rolled_back") << "the version that it came from";
}

TEST_F(Confirmation, WhatItRunsEndsATaskInEveryState) {
  options.tasks.max_active = 10;
  service->set_options(options);
  for (const std::string version : {"2.0.0", "v2.0.0", "2.0.0+build.7", "2.5.0"}) {
    const auto unit_of = [&](const std::string& way) { return way + std::to_string(version.size()); };
    const bool same = version != "2.5.0";
    for (const std::string way : {"queued", "offered", "downloading", "retry_wait"}) {
      const auto device = unit_of(way) + version.front() + (same ? "" : "-newer");
      request(device, says("gw-a", "1.0.0"));
      auto o = order(device, "2.0.0");
      if (way == "queued") o.not_before = clock.wall() + 1h;
      const auto id = upgrade(o).value().task.id;
      if (way == "downloading") chunk(device, id, 0, 3);
      if (way == "retry_wait") verify(device, id, 9);
      ASSERT_EQ(to_string(state_of(id)), way);
      EXPECT_EQ(std::get<UpToDateAnswer>(request(device, says("gw-a", version))).version, version) << device;
      EXPECT_EQ(how(id), same ? "succeeded confirmed" : "cancelled superseded") << device;
    }
    const auto device = unit_of("installing") + version.front() + (same ? "" : "-newer");
    const auto installing = verified(device);
    request(device, says("gw-a", version));
    EXPECT_EQ(how(installing), same ? "succeeded confirmed" : "cancelled superseded") << version;
  }
}

TEST_F(Confirmation, ItFallsBackToWhatItRanBeforeItConfirmed) {
  request("gw-1", says("gw-a", "1.0.0"));
  const auto id = task_for("gw-1", "2.0.0");
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  says_state("gw-1", id, DeviceState::failed, "no boot");
  EXPECT_EQ(how(id), "failed device_failed");
  EXPECT_EQ(runs("gw-1"), "1.0.0?");
}

TEST_F(Confirmation, AForcedTaskGoesOnWhateverTheDeviceRuns) {
  for (const std::string version : {"2.0.0", "2.5.0"}) {
    request("gw-1", says("gw-a", "1.0.0"));
    auto o = order("gw-1", "2.0.0");
    o.force = true;
    const auto id = upgrade(o).value().task.id;
    EXPECT_EQ(std::get<Offer>(request("gw-1", says("gw-a", version))).task, id);
    EXPECT_EQ(state_of(id), TaskState::offered);
  }
}

TEST_F(Confirmation, VersionsThatCompareAsEqualAreTheSameEverywhere) {
  request("gw-1", says("gw-a", "v2.0.0"));
  EXPECT_EQ(upgrade(order("gw-1", "2.0.0")).error().code, Errc::already_installed);
  request("gw-2", says("gw-a", "1.0.0"));
  const auto id = upgrade(order("gw-2", "2.0.0")).value().task.id;
  auto ask = says("gw-a", "1.0.0");
  ask.version = "v2.0.0+x";
  EXPECT_EQ(std::get<Offer>(request("gw-2", ask)).task, id) << "no second task";
  const auto again = upgrade(order("gw-2", "v2.0.0")).value();
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.task.id, id);
  auto fresh = says("gw-a", "1.0.0");
  fresh.version = "v3.0.0";
  EXPECT_EQ(std::get<Offer>(request("gw-3", fresh)).version, "3.0.0");
}

TEST_F(Confirmation, WhatIsNoVersionIsKeptAndComparedWithNothing) {
  const auto id = verified("gw-1");
  EXPECT_TRUE(std::holds_alternative<SuccessAnswer>(request("gw-1", says("gw-a", "build (7)/x"))));
  EXPECT_EQ(how(id), "installing");
  EXPECT_EQ(runs("gw-1"), "build (7)/x");
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  request("gw-1", says("gw-a", "build (7)/x"));
  EXPECT_EQ(how(id), "succeeded confirmed");
  EXPECT_TRUE(upgrade(order("gw-1", "2.0.0"))) << "nobody knows what it runs now";
}

TEST_F(Confirmation, WhatTheRegistryBelievesRefusesNoRepair) {
  const auto id = task_for("gw-1", "2.0.0");
  verify("gw-1", id, 1);
  EXPECT_TRUE(upgrade(order("gw-1", "2.0.0")).value().created) << "it never said that it runs it";
  const auto proven = verified("gw-2");
  request("gw-2", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(proven), "succeeded confirmed");
  EXPECT_EQ(upgrade(order("gw-2", "2.0.0")).error().code, Errc::already_installed);
  auto ask = says();
  ask.version = "2.0.0";
  const auto third = task_for("gw-3", "2.0.0");
  verify("gw-3", third, 1);
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(request("gw-3", ask))) << "a device that asks on gets it once";
}

TEST_F(Confirmation, AFailedUpdateCanBeTriedAgain) {
  const auto id = verified("gw-1");
  state("gw-1", id, DeviceState::rolled_back);
  const auto again = unit([&](auto& s) { return on_retry(s, id, "alice"); }).value();
  EXPECT_EQ(again.retry_of, id.number);
  verify("gw-1", again.id, 1);
  EXPECT_EQ(state_of(again.id), TaskState::installing);
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(how(again.id), "succeeded confirmed");
  EXPECT_EQ(how(id), "failed rolled_back");
}

TEST_F(Confirmation, ATimeoutNamesTheVersionThatWasReported) {
  add_firmware("2.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  request("gw-1", says("gw-a", "2.0.0 (build 5)"));
  advance(std::chrono::seconds{options.tasks.confirm_timeout_s + 1});
  EXPECT_EQ(row(id).reason, "confirm_timeout");
  EXPECT_EQ(row(id).detail, "runs 2.0.0 (build 5)");
}

TEST_F(Confirmation, AfterAFailureTheVersionFromBeforeIsAGuess) {
  add_firmware("2.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  EXPECT_EQ(runs("gw-1"), "1.0.0");
  state("gw-1", id, DeviceState::failed);
  EXPECT_EQ(runs("gw-1"), "1.0.0?") << "perhaps it installed the new one, and that isn't healthy";
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(runs("gw-1"), "1.0.0") << "it says so again";
}

TEST_F(Confirmation, ALateCopyOfInstalledChangesNothing) {
  add_firmware("2.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  state("gw-1", id, DeviceState::installed);
  request("gw-1", says("gw-a", "3.0.0"));
  state("gw-1", id, DeviceState::installed);
  EXPECT_EQ(row_of("gw-1")->current_version, "3.0.0");
  EXPECT_EQ(state_of(id), TaskState::succeeded);
}

}  // namespace
}  // namespace ota::engine
