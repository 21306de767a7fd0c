// Devices that only poll: what they are shown, what their reports mean (docs/hawkbit.md).
#include "engine/action_commands.hpp"
#include "ota/firmware/hash.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

constexpr std::uint64_t kSize = 4 * 524'288;
constexpr std::chrono::seconds kPoll{300};

class ActionsTest : public TaskServiceTest {
 protected:
  Firmware add_file(const std::string& version, std::uint8_t seed = 1) {
    Firmware f;
    f.version = version;
    f.size = kSize;
    f.checksum = digest_of(seed);
    f.file = FirmwareFile{"gw-" + version + ".swu", {}, {}};
    return unit([&](auto& s) { return on_add_firmware(s, f); }).value().firmware;
  }
  static DeviceId id(const std::string& device) { return *DeviceId::parse(device); }

  Result<PollAnswer> try_poll(const std::string& device, const Credentials& who = {}) {
    return unit([&](auto& s) { return on_poll(s, id(device), who, kPoll); });
  }
  PollAnswer poll(const std::string& device) { return try_poll(device).value(); }
  Result<ActionView> find(const std::string& device, ActionId action, ActionQuery::Of of = ActionQuery::Of::install) {
    ActionQuery query;
    query.action = action;
    query.of = of;
    query.messages = 10;
    return unit([&](auto& s) { return on_find_action(s, id(device), {}, query); });
  }
  Result<void> report(const std::string& device, ActionId action, Execution execution, Finished finished,
                      std::string text = {}, bool of_cancel = false) {
    const ActionReport report{action, execution, finished, std::move(text), of_cancel};
    return unit([&](auto& s) { return on_action_report(s, id(device), {}, report); });
  }
  Result<void> closed(const std::string& device, ActionId action, Finished finished, std::string text = {}) {
    return report(device, action, Execution::closed, finished, std::move(text));
  }
  Result<void> stopped(const std::string& device, ActionId action, Execution execution = Execution::closed) {
    return report(device, action, execution, Finished::success, {}, true);
  }
  /// The whole image goes out.
  void download(const TaskId& task) {
    const auto grid = row(task).grid();
    transfers().sent(task.number, grid, 0, grid.size);
  }
  TaskId order_for(const std::string& device, const std::string& version) {
    return upgrade(order(device, version)).value().task.id;
  }
  Errc code(const Result<void>& result) { return result ? Errc::forbidden : result.error().code; }
};

TEST_F(ActionsTest, APollRegistersAndAsksForAttributesOnce) {
  const auto first = poll("gw-1");
  EXPECT_TRUE(first.wants_attributes);
  EXPECT_FALSE(first.install || first.cancel || first.installed || first.again);
  EXPECT_EQ(row_of("gw-1")->poll, kPoll);
  EXPECT_TRUE(row_of("gw-1")->only_polls());
  request("gw-1");
  EXPECT_FALSE(row_of("gw-1")->only_polls()) << "it speaks otad's protocol now";
}

TEST_F(ActionsTest, ATaskIsGrantedByThePollAndNothingIsPushed) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  EXPECT_EQ(state_of(task), TaskState::queued);
  EXPECT_EQ(row(task).wait_reason, WaitReason::poll);
  const auto shown = poll("gw-1");
  EXPECT_EQ(shown.install, 11);
  EXPECT_EQ(state_of(task), TaskState::offered);
  EXPECT_EQ(poll("gw-1").install, 11) << "the same for the same attempt";
  const auto view = find("gw-1", 11).value();
  EXPECT_EQ(view.firmware.version, "2");
  EXPECT_EQ(view.task, task);
  EXPECT_TRUE(pushes().empty());
}

TEST_F(ActionsTest, OthersOnTheirOwnAreNotHeldUpByThoseThatPoll) {
  add_file("2");
  options.tasks.max_active = 1;
  loop->apply(options);
  poll("gw-1");
  const auto polled = order_for("gw-1", "2");
  request("gw-2");
  const auto pushed = order_for("gw-2", "2");
  EXPECT_EQ(state_of(pushed), TaskState::offered) << "though it came later";
  const auto waits = poll("gw-1");
  EXPECT_FALSE(waits.install);
  EXPECT_TRUE(waits.again) << "it polls sooner while it waits for its turn";
  EXPECT_EQ(row(polled).wait_reason, WaitReason::slot);
  unit([&](auto& s) { return on_cancel(s, pushed, "tester"); });
  EXPECT_EQ(state_of(polled), TaskState::queued) << "a slot is no use before its poll";
  EXPECT_TRUE(poll("gw-1").install);
}

TEST_F(ActionsTest, SuccessIsWhatTheDeviceSaysAfterAllBytesWentOut) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  download(task);
  advance(1'100ms);
  EXPECT_EQ(state_of(task), TaskState::installing);
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 0);
  EXPECT_EQ(poll("gw-1").install, action) << "still shown after the last byte";
  EXPECT_TRUE(report("gw-1", action, Execution::proceeding, Finished::none, "Installing"));
  EXPECT_TRUE(closed("gw-1", action, Finished::success, "Update Installed."));
  EXPECT_EQ(state_of(task), TaskState::succeeded);
  EXPECT_TRUE(row(task).confirmed);
  EXPECT_EQ(row_of("gw-1")->current_version, "2");
  const auto after = poll("gw-1");
  EXPECT_FALSE(after.install);
  EXPECT_EQ(after.installed, action);
  EXPECT_TRUE(after.wants_attributes);
  EXPECT_EQ(code(closed("gw-1", action, Finished::success)), Errc::task_ended) << "said twice";
  EXPECT_TRUE(find("gw-1", action, ActionQuery::Of::installed));
  EXPECT_EQ(find("gw-1", action).error().code, Errc::task_ended);
  EXPECT_TRUE(pushes().empty());
}

TEST_F(ActionsTest, SuccessRightBehindTheLastByte) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  download(task);
  EXPECT_TRUE(closed("gw-1", action, Finished::none)) << "none is success, too";
  EXPECT_EQ(state_of(task), TaskState::succeeded);
}

TEST_F(ActionsTest, WhatWasSkippedIsNoSuccess) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto first = poll("gw-1").install.value();
  EXPECT_TRUE(closed("gw-1", first, Finished::success, "Skipped Update."));
  EXPECT_EQ(state_of(task), TaskState::retry_wait);
  EXPECT_EQ(row(task).reason, "not_downloaded");
  EXPECT_EQ(row_of("gw-1")->current_version, "");
  EXPECT_EQ(code(closed("gw-1", first, Finished::success)), Errc::task_ended);
  EXPECT_FALSE(poll("gw-1").install) << "not before retry_after_s is over";
  advance(61s);
  EXPECT_EQ(poll("gw-1").install, first + 1);
}

TEST_F(ActionsTest, EachAttemptHasItsOwnAction) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  ActionId last = 0;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto action = poll("gw-1").install.value();
    EXPECT_GT(action, last);
    last = action;
    EXPECT_EQ(row(task).attempt, attempt);
    EXPECT_EQ(row(task).chunks_have, 0u);
    download(task);
    EXPECT_TRUE(closed("gw-1", action, Finished::failure, "signature wrong"));
    advance(61s);
  }
  EXPECT_EQ(state_of(task), TaskState::failed);
  EXPECT_EQ(row(task).reason, "device_failed");
  EXPECT_EQ(row(task).detail, "signature wrong");
  EXPECT_FALSE(poll("gw-1").install);
}

TEST_F(ActionsTest, AFailureBeforeTheLastByteIsAnAttempt) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  transfers().sent(task.number, row(task).grid(), 0, 700'000);
  EXPECT_TRUE(closed("gw-1", action, Finished::failure, "no space"));
  EXPECT_EQ(state_of(task), TaskState::retry_wait);
  EXPECT_EQ(row(task).attempt, 2);
}

TEST_F(ActionsTest, WhoBeginsAgainAndAgainFailsTheAttempt) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  download(task);
  advance(1'100ms);
  const auto firmware = row(task).firmware_id;
  const auto fetch = [&] {
    return unit([&](auto& s) { return on_artifact(s, id("gw-1"), {}, {firmware, true}); });
  };
  EXPECT_EQ(fetch().value().filename, "gw-2.swu");
  EXPECT_TRUE(fetch());
  EXPECT_EQ(fetch().error().code, Errc::unknown_task);
  EXPECT_EQ(row(task).attempt, 2);
  EXPECT_EQ(row(task).reason, "downloaded_again");
  EXPECT_EQ(poll("gw-1").install, action + 1);
}

TEST_F(ActionsTest, AnOrderToStopLiesReadyUntilItIsAnswered) {
  add_file("2");
  add_file("3", 2);
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  unit([&](auto& s) { return on_cancel(s, task, "tester"); });
  restart();
  const auto told = poll("gw-1");
  EXPECT_EQ(told.cancel, action);
  EXPECT_FALSE(told.install);
  EXPECT_EQ(find("gw-1", action).error().code, Errc::unknown_task);
  EXPECT_TRUE(find("gw-1", action, ActionQuery::Of::cancel));
  const auto next = order_for("gw-1", "3");
  EXPECT_EQ(poll("gw-1").cancel, action) << "it goes before what comes next";
  EXPECT_TRUE(report("gw-1", action, Execution::proceeding, Finished::none, "", true));
  EXPECT_EQ(poll("gw-1").cancel, action);
  EXPECT_TRUE(stopped("gw-1", action));
  EXPECT_EQ(poll("gw-1").install, action + 1);
  EXPECT_EQ(state_of(next), TaskState::offered);
  EXPECT_EQ(code(stopped("gw-1", action)), Errc::task_ended);
}

TEST_F(ActionsTest, ADeviceMayRefuseToStop) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  EXPECT_EQ(code(stopped("gw-1", action)), Errc::wrong_state) << "nobody told it to";
  download(task);
  advance(1'100ms);
  unit([&](auto& s) { return on_cancel(s, task, "tester"); });
  EXPECT_EQ(poll("gw-1").cancel, action);
  EXPECT_TRUE(stopped("gw-1", action, Execution::rejected));
  const auto goes_on = poll("gw-1");
  EXPECT_FALSE(goes_on.cancel);
  EXPECT_EQ(goes_on.install, action) << "shown again";
  EXPECT_TRUE(find("gw-1", action));
  EXPECT_TRUE(closed("gw-1", action, Finished::success));
  EXPECT_EQ(state_of(task), TaskState::cancelled);
  EXPECT_EQ(row_of("gw-1")->current_version, "2") << "it runs it all the same";
  EXPECT_FALSE(poll("gw-1").install);
}

TEST_F(ActionsTest, AnOrderToStopThatIsNeverAnsweredCanBeGivenUp) {
  add_file("2");
  add_file("3", 2);
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  const auto cancel = [&] { return unit([&](auto& s) { return on_cancel(s, task, "tester"); }); };
  EXPECT_TRUE(cancel());
  EXPECT_EQ(poll("gw-1").cancel, action);
  EXPECT_TRUE(cancel()) << "the second time gives it up";
  EXPECT_EQ(cancel().error().code, Errc::wrong_state);
  EXPECT_FALSE(poll("gw-1").cancel);
  EXPECT_EQ(code(stopped("gw-1", action)), Errc::task_ended);
  EXPECT_EQ(code(closed("gw-1", action, Finished::success)), Errc::task_ended);
  order_for("gw-1", "3");
  EXPECT_EQ(poll("gw-1").install, action + 1);
}

TEST_F(ActionsTest, ARefusedOrderToStopCanBeGivenUp) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  const auto cancel = [&] { return unit([&](auto& s) { return on_cancel(s, task, "tester"); }); };
  EXPECT_TRUE(cancel());
  EXPECT_TRUE(poll("gw-1").cancel);
  EXPECT_TRUE(stopped("gw-1", action, Execution::rejected));
  EXPECT_EQ(poll("gw-1").install, action);
  EXPECT_TRUE(cancel());
  EXPECT_FALSE(poll("gw-1").install);
  EXPECT_EQ(cancel().error().code, Errc::wrong_state);
}

TEST_F(ActionsTest, ASuccessThatCrossesTheOrderToStop) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  unit([&](auto& s) { return on_cancel(s, task, "tester"); });
  EXPECT_TRUE(closed("gw-1", action, Finished::success, "Skipped Update."));
  EXPECT_EQ(row_of("gw-1")->current_version, "") << "nothing was downloaded";
  EXPECT_FALSE(poll("gw-1").cancel) << "it says by it that it stopped";
}

TEST_F(ActionsTest, TimesFollowThePollingInterval) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  poll("gw-1");
  advance(700s);
  EXPECT_EQ(state_of(task), TaskState::offered) << "two polls and a half";
  advance(51s);
  EXPECT_EQ(state_of(task), TaskState::queued);
  EXPECT_EQ(row(task).wait_reason, WaitReason::device_offline);
  const auto action = poll("gw-1").install.value();
  EXPECT_EQ(action, 11) << "the attempt is the same";
  download(task);
  advance(1'100ms);
  advance(std::chrono::seconds{options.tasks.confirm_timeout_s} + 740s);
  EXPECT_EQ(state_of(task), TaskState::installing);
  EXPECT_TRUE(report("gw-1", action, Execution::proceeding, Finished::none));
  advance(std::chrono::seconds{options.tasks.confirm_timeout_s} + 740s);
  EXPECT_EQ(state_of(task), TaskState::installing) << "it has its full time after each report";
  advance(20s);
  EXPECT_EQ(state_of(task), TaskState::failed);
  EXPECT_EQ(row(task).reason, "confirm_timeout");
  EXPECT_TRUE(closed("gw-1", action, Finished::success)) << "it comes back late";
  EXPECT_EQ(state_of(task), TaskState::succeeded);
}

TEST_F(ActionsTest, AStalledDownloadIsATryOfItsOwn) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  transfers().sent(task.number, row(task).grid(), 0, 700'000);
  advance(1'100ms);
  EXPECT_EQ(state_of(task), TaskState::downloading);
  advance(740s);
  poll("gw-1");
  advance(20s);
  EXPECT_EQ(row(task).stalls, 1);
  advance(600s);
  poll("gw-1");
  advance(200s);
  EXPECT_EQ(row(task).attempt, 2) << "it polls, and downloads nothing";
  advance(61s);
  EXPECT_EQ(poll("gw-1").install, action + 1);
  EXPECT_TRUE(pushes().empty());
}

TEST_F(ActionsTest, OnlyTheDevicesOwnActions) {
  add_file("2");
  poll("gw-1");
  poll("gw-2");
  order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  EXPECT_EQ(code(closed("gw-2", action, Finished::success)), Errc::unknown_task);
  EXPECT_EQ(find("gw-2", action).error().code, Errc::unknown_task);
  EXPECT_EQ(code(closed("gw-1", action + 1, Finished::success)), Errc::unknown_task);
  const auto firmware = find("gw-1", action).value().firmware.id;
  EXPECT_FALSE(unit([&](auto& s) { return on_artifact(s, id("gw-2"), {}, {firmware, true}); }));
  EXPECT_FALSE(unit([&](auto& s) { return on_artifact(s, id("gw-1"), {}, {firmware + 1, true}); }));
}

TEST_F(ActionsTest, AFloodOfReportsHasABoundAndTheEndIsTaken) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  download(task);
  int taken = 0;
  for (int i = 0; i < 1'005; ++i)
    if (report("gw-1", action, Execution::proceeding, Finished::none, "again")) ++taken;
  EXPECT_EQ(taken, 1'000);
  EXPECT_TRUE(closed("gw-1", action, Finished::success));
  EXPECT_EQ(state_of(task), TaskState::succeeded);
}

TEST_F(ActionsTest, MessagesAreTheTasksLog) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  const auto action = poll("gw-1").install.value();
  report("gw-1", action, Execution::proceeding, Finished::none, "first\nand more");
  report("gw-1", action, Execution::proceeding, Finished::none, "second");
  EXPECT_EQ(find("gw-1", action).value().messages, (std::vector<std::string>{"second", "first\nand more"}));
  int reports = 0;
  for (const auto& entry : log_of(task)) reports += entry.kind == "report" ? 1 : 0;
  EXPECT_EQ(reports, 2);
}

TEST_F(ActionsTest, AGatewaySpeaksForWhoHasNoTokenOfItsOwn) {
  options.devices.token_required = true;
  loop->apply(options);
  EXPECT_EQ(try_poll("gw-1").error().code, Errc::not_authorized);
  Credentials gateway;
  gateway.gateway = true;
  gateway.token_digest = firmware::sha256("the gateway's own token");
  EXPECT_TRUE(try_poll("gw-1", gateway));
  EXPECT_FALSE(row_of("gw-1")->secret) << "the gateway's token is not the device's";
  EXPECT_EQ(try_poll("gw-1").error().code, Errc::not_authorized);
  unit([&](auto& s) { return on_set_secret(s, "gw-1", firmware::sha256("a token of its own")); });
  EXPECT_EQ(try_poll("gw-1", gateway).error().code, Errc::not_authorized);
  Credentials own;
  own.token_digest = firmware::sha256("a token of its own");
  EXPECT_TRUE(try_poll("gw-1", own));
}

TEST_F(ActionsTest, AnActiveTransferIsAnsweredWithoutTheEngine) {
  const auto firmware = add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  EXPECT_FALSE(transfers().artifact("gw-1", {}, firmware.id));
  poll("gw-1");
  const auto grant = transfers().artifact("gw-1", {}, firmware.id).value();
  EXPECT_EQ(grant.task, task);
  EXPECT_EQ(grant.filename, "gw-2.swu");
  EXPECT_FALSE(transfers().artifact("gw-1", {}, firmware.id + 1));
  EXPECT_FALSE(transfers().artifact("gw-2", {}, firmware.id));
}

TEST_F(ActionsTest, FirmwareWithoutItsDigestsWaits) {
  add_firmware("2", "");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  EXPECT_FALSE(poll("gw-1").install);
  EXPECT_EQ(row(task).wait_reason, WaitReason::digests);
}

TEST_F(ActionsTest, IdlePollsAreAnsweredWithoutTheEngineUntilSomethingChanges) {
  add_file("2");
  auto& idle = loop->idle_polls();
  EXPECT_FALSE(idle.find("gw-1", {}));
  poll("gw-1");
  ASSERT_TRUE(idle.find("gw-1", {}));
  EXPECT_TRUE(idle.find("gw-1", {})->wants_attributes);
  AttributeReport attributes;
  attributes.values["a"] = "b";
  unit([&](auto& s) { return on_message(s, id("gw-1"), {}, attributes); });
  EXPECT_FALSE(idle.find("gw-1", {}));
  EXPECT_FALSE(poll("gw-1").wants_attributes);
  EXPECT_TRUE(idle.find("gw-1", {}));
  const auto task = order_for("gw-1", "2");
  EXPECT_FALSE(idle.find("gw-1", {}));
  poll("gw-1");
  EXPECT_FALSE(idle.find("gw-1", {})) << "it has a task";
  unit([&](auto& s) { return on_cancel(s, task, "tester"); });
  poll("gw-1");
  EXPECT_FALSE(idle.find("gw-1", {})) << "it is told to stop";
  stopped("gw-1", 11);
  poll("gw-1");
  EXPECT_TRUE(idle.find("gw-1", {}));
  unit([&](auto& s) { return on_set_secret(s, "gw-1", firmware::sha256("a token of its own")); });
  EXPECT_FALSE(idle.find("gw-1", {}));
  unit([&](auto& s) { return on_remove_device(s, "gw-1", "tester"); });
  EXPECT_FALSE(idle.find("gw-1", {}));
}

TEST_F(ActionsTest, IdlePollsNeedTheTokenAndCountAsContact) {
  Credentials own;
  own.token_digest = firmware::sha256("a token of its own");
  own.token_fit = true;
  EXPECT_TRUE(try_poll("gw-1", own));
  auto& idle = loop->idle_polls();
  EXPECT_TRUE(idle.find("gw-1", own));
  Credentials wrong;
  wrong.token_digest = firmware::sha256("another token");
  for (const auto& who : {wrong, Credentials{}}) EXPECT_FALSE(idle.find("gw-1", who));
  Credentials gateway = wrong;
  gateway.gateway = true;
  EXPECT_FALSE(idle.find("gw-1", gateway)) << "it has a token of its own";
  Credentials certified;
  certified.certified = true;
  EXPECT_FALSE(idle.find("gw-1", certified)) << "that is news";
  auto renamed = own;
  renamed.client = "swupdate/2";
  EXPECT_FALSE(idle.find("gw-1", renamed)) << "so is that";
  const auto before = row_of("gw-1")->last_seen;
  clock.advance(60s);
  EXPECT_TRUE(idle.find("gw-1", own));
  advance(1s);
  EXPECT_GT(row_of("gw-1")->last_seen, before);
  clock.advance(IdlePolls::kKept);
  EXPECT_FALSE(idle.find("gw-1", own)) << "the engine looks again now and then";
}

TEST_F(ActionsTest, IdlePollsOfMoreDevicesThanAreKept) {
  IdlePolls idle(clock);
  Device device;
  for (std::size_t i = 0; i < IdlePolls::kMost + 10; ++i) {
    device.id = std::to_string(i);
    idle.keep(device, false, {});
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < IdlePolls::kMost + 10; ++i) kept += idle.find(std::to_string(i), {}) ? 1 : 0;
  EXPECT_EQ(kept, IdlePolls::kMost);
}

TEST_F(ActionsTest, TheVersionThatItSaysProvesIt) {
  add_file("2");
  poll("gw-1");
  const auto task = order_for("gw-1", "2");
  poll("gw-1");
  const auto runs = [&](const std::string& version) {
    unit([&](auto& s) { return on_running(s, id("gw-1"), {}, version); });
  };
  runs("1");
  EXPECT_EQ(state_of(task), TaskState::offered);
  download(task);
  advance(1'100ms);
  runs("2");
  EXPECT_EQ(state_of(task), TaskState::succeeded);
  runs("1");
  EXPECT_EQ(state_of(task), TaskState::failed);
  EXPECT_EQ(row(task).reason, "rolled_back");
}

}  // namespace
}  // namespace ota::engine
