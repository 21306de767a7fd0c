#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class OperatorCommands : public TaskServiceTest {
 protected:
  Errc refused(const UpgradeOrder& o) { return upgrade(o).error().code; }
};

TEST_F(OperatorCommands, MakesATaskAndAnswersTheSameAgain) {
  add_firmware("2.0.0");
  const auto made = upgrade(order("gw-1", "2.0.0")).value();
  EXPECT_TRUE(made.created);
  EXPECT_EQ(made.task.id.str(), "OTA_20261122_000001");
  EXPECT_EQ(made.task.priority, Priority::normal);
  const auto again = upgrade(order("gw-1", "2.0.0")).value();
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.task.id, made.task.id);
}

TEST_F(OperatorCommands, NumbersGoOnAcrossDaysAndRestarts) {
  add_firmware("2.0.0");
  upgrade(order("gw-1", "2.0.0")).value();
  clock.advance(24h);
  restart();
  EXPECT_EQ(upgrade(order("gw-2", "2.0.0")).value().task.id.str(), "OTA_20261123_000002");
}

TEST_F(OperatorCommands, RefusesWhatCannotBe) {
  add_firmware("2.0.0");
  add_firmware("2.0.0", "gw-b", 2);
  add_firmware("2.5.0", "", 3);
  request("gw-1", says("gw-a", "2.1.0"));
  EXPECT_EQ(refused(order("gw-1", "9.9.9")), Errc::no_such_firmware);
  EXPECT_EQ(refused(order("gw-1", "2.0.0")), Errc::downgrade);
  request("gw-1", says("gw-a", "2.0.0"));
  EXPECT_EQ(refused(order("gw-1", "2.0.0")), Errc::already_installed);
  request("gw-1", says("gw-a", "1.0.0"));
  auto o = order("gw-1", "2.0.0");
  o.hardware = "gw-b";
  EXPECT_EQ(refused(o), Errc::wrong_hardware);
  o.hardware.reset();
  o.checksum = digest_of(99);
  EXPECT_EQ(refused(o), Errc::checksum_differs);
  o.checksum = digest_of(1);
  o.expires_at = clock.wall() - 1s;
  EXPECT_EQ(refused(o), Errc::malformed);
  o.expires_at = clock.wall() + 10s;
  o.not_before = clock.wall() + 20s;
  EXPECT_EQ(upgrade(o).error().fields.at(0).field, "expires_at");
  request("gw-3", says("gw-c", "1.0.0"));
  EXPECT_EQ(refused(order("gw-3", "2.0.0")), Errc::wrong_hardware);
  EXPECT_EQ(upgrade(order("unseen", "2.0.0")).error().fields.at(0).field, "hardware");
  EXPECT_TRUE(upgrade(order("gw-3", "2.5.0"))) << "firmware without hardware fits every device";
  EXPECT_EQ(service->rows.tasks().list({}, 10).rows.size(), 1u) << "no refusal left a task";
  EXPECT_FALSE(row_of("unseen"));
}

TEST_F(OperatorCommands, ForceAllowsADowngradeAndAReinstall) {
  add_firmware("2.0.0");
  request("gw-1", says("gw-a", "2.1.0"));
  auto o = order("gw-1", "2.0.0");
  o.force = true;
  EXPECT_TRUE(upgrade(o).value().created);
}

TEST_F(OperatorCommands, ATinyChunkSizeForALargeImageIsRefused) {
  add_firmware("2.0.0", "gw-a", 1, 65'536ull * 1'024 + 1);
  auto o = order("gw-1", "2.0.0");
  o.chunk_bytes = 1'024;
  EXPECT_EQ(upgrade(o).error().fields.at(0).field, "chunk_size");
  o.chunk_bytes = 2'048;
  EXPECT_EQ(upgrade(o).value().task.chunk_bytes, 2'048u);
}

TEST_F(OperatorCommands, ClosedRegistrationRefusesAnUnknownDevice) {
  options.devices.registration = "closed";
  service->set_options(options);
  add_firmware("2.0.0");
  EXPECT_EQ(refused(order("gw-1", "2.0.0")), Errc::unknown_device);
}

TEST_F(OperatorCommands, AnIdempotencyKeyBringsTheFirstAnswerBack) {
  add_firmware("2.0.0");
  auto o = order("gw-1", "2.0.0");
  o.idempotency_key = "abc";
  o.body_digest = digest_of(1);
  const auto first = upgrade(o).value();
  unit([&](auto& s) { return on_cancel(s, first.task.id, "tester"); });
  const auto again = upgrade(o).value();
  EXPECT_TRUE(again.created);
  EXPECT_EQ(again.task.id, first.task.id);
  EXPECT_EQ(again.state, TaskState::queued);
  o.body_digest = digest_of(2);
  EXPECT_EQ(refused(o), Errc::key_reused);
}

TEST_F(OperatorCommands, ARepeatAfterItsExpiryGetsTheFirstAnswerAndKeysArePerOperator) {
  add_firmware("2.0.0");
  auto o = order("gw-1", "2.0.0");
  o.idempotency_key = "abc";
  o.body_digest = digest_of(1);
  o.expires_at = clock.wall() + 10s;
  const auto first = upgrade(o).value();
  advance(20s);
  ASSERT_EQ(state_of(first.task.id), TaskState::expired);
  EXPECT_EQ(upgrade(o).value().task.id, first.task.id);
  o.idempotency_key = "def";
  EXPECT_EQ(refused(o), Errc::malformed);
  auto other = order("gw-2", "2.0.0");
  other.idempotency_key = "abc";
  other.body_digest = digest_of(2);
  const auto theirs = unit([&](auto& s) { return on_upgrade(s, other, "somebody else"); });
  EXPECT_NE(theirs.value().task.id, first.task.id);
}

TEST_F(OperatorCommands, AnOrderWithoutAnExpiryGetsTheDefault) {
  add_firmware("2.0.0");
  options.tasks.default_expiry_s = 100;
  service->set_options(options);
  const auto id = upgrade(order("gw-1", "2.0.0")).value().task.id;
  EXPECT_EQ(row(id).expires_at, clock.wall() + 100s);
  auto later = order("gw-2", "2.0.0");
  later.not_before = clock.wall() + 1h;
  EXPECT_EQ(upgrade(later).value().task.expires_at, clock.wall() + 1h + 100s);
  auto own = order("gw-3", "2.0.0");
  own.expires_at = clock.wall() + 5s;
  EXPECT_EQ(upgrade(own).value().task.expires_at, clock.wall() + 5s);
  advance(101s);
  EXPECT_EQ(state_of(id), TaskState::expired);
}

TEST_F(OperatorCommands, EndedTasksGoWithTheirLogsAfterTheirTimeABoundedNumberAtOnce) {
  add_firmware("2.0.0");
  options.tasks.keep_days = 10;
  service->set_options(options);
  const auto open = upgrade(order("waits", "2.0.0")).value().task.id;
  std::vector<TaskId> ended;
  for (int i = 0; i < 1'500; ++i) {
    ended.push_back(upgrade(order("gw-" + std::to_string(i), "2.0.0")).value().task.id);
    unit([&](auto& s) { return on_cancel(s, ended.back(), "tester"); }).value();
  }
  const auto keep = [&] { return unit([](auto& s) { return s.housekeeping.run(); }); };
  EXPECT_FALSE(keep());
  clock.advance(std::chrono::hours{24 * 10} + 1s);
  const auto late = upgrade(order("late", "2.0.0")).value().task.id;
  unit([&](auto& s) { return on_cancel(s, late, "tester"); }).value();
  EXPECT_TRUE(keep()) << "not all at once";
  int rounds = 1;
  while (keep() && rounds < 20) ++rounds;
  EXPECT_GE(rounds, 2);
  for (const auto& id : {ended.front(), ended.back()}) {
    EXPECT_FALSE(service->rows.tasks().find(id.number));
    EXPECT_TRUE(log_of(id).empty());
  }
  EXPECT_EQ(state_of(open), TaskState::queued);
  EXPECT_EQ(state_of(late), TaskState::cancelled);
  EXPECT_GT(upgrade(order("next", "2.0.0")).value().task.id.number, late.number) << "no number comes twice";
}

TEST_F(OperatorCommands, AStartWithALeapOfTheClockRemovesNothingForADay) {
  add_firmware("2.0.0");
  const auto ended = upgrade(order("gw-1", "2.0.0")).value().task.id;
  unit([&](auto& s) { return on_cancel(s, ended, "tester"); }).value();
  advance(1s);  // keeps the time
  clock.set_wall(clock.wall() + std::chrono::hours{24 * 3'650});
  restart();
  advance(61s);
  EXPECT_EQ(state_of(ended), TaskState::cancelled) << "the clock may be wrong";
  advance(std::chrono::hours{24});
  EXPECT_FALSE(service->rows.tasks().find(ended.number)) << "it was right";
}

TEST_F(OperatorCommands, AnotherImageOfTheSameVersionIsRefused) {
  add_firmware("1.1.0");
  const auto refused = [&](std::string version, std::string hardware, std::uint8_t seed) {
    Firmware f;
    f.version = std::move(version);
    f.hardware = std::move(hardware);
    f.size = 1'000;
    f.checksum = digest_of(seed);
    const auto added = unit([&](auto& s) { return on_add_firmware(s, f); });
    return added ? std::string() : added.error().message;
  };
  for (const auto* same : {"v1.1.0", "1.1.0+r7"}) {
    EXPECT_NE(refused(same, "gw-a", 7).find("1.1.0 for hardware 'gw-a'"), std::string::npos) << same;
    EXPECT_EQ(refused(same, "gw-b", 7), "") << "for other hardware";
  }
  EXPECT_EQ(refused("1.1.1", "gw-a", 7), "");
  EXPECT_EQ(refused("v1.1.0", "gw-a", 1), "") << "the same image";
}

TEST_F(OperatorCommands, WhatIsNotTrustedNowIsNeitherOrderedNorOffered) {
  const auto trust = std::make_shared<firmware::Trust>();
  options.trust = trust;
  service->set_options(options);
  add_firmware("2.0.0");
  request("gw-1", says("gw-a", "1.0.0"));
  const auto id = upgrade(order("gw-1", "2.0.0")).value().task.id;
  const auto waits = upgrade(order("gw-2", "2.0.0")).value().task.id;
  ASSERT_EQ(state_of(id), TaskState::offered);
  chunk("gw-1", id, 0, 1);
  pushes();

  trust->set({}, true);  // what isn't signed is no longer taken
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_EQ(row(id).reason, "untrusted_firmware");
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 cancel"});
  EXPECT_EQ(refused(order("gw-3", "2.0.0")), Errc::untrusted_firmware);
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(request("gw-1", says("gw-a", "1.0.0"))));
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(request("gw-2", says("gw-a", "1.0.0"))));
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(verify("gw-1", id, 1))) << "nor installed";
  auto ask = says("gw-a", "1.0.0");
  ask.version = "2.0.0";
  EXPECT_EQ(error_in(request("gw-4", ask)).error.code, Errc::untrusted_firmware);
  restart();
  EXPECT_EQ(state_of(waits), TaskState::queued);

  trust->set({}, false);
  const auto again = std::get<Offer>(request("gw-1", says("gw-a", "1.0.0")));
  EXPECT_EQ(again.missing, (ChunkRanges{{2, 3}}));
  EXPECT_EQ(row(id).reason, "");
  advance(61s);
  EXPECT_EQ(state_of(waits), TaskState::offered) << "present, and not asked again";
}

TEST_F(OperatorCommands, ADowngradeNeedsForceOrTheVendorsPermission) {
  add_firmware("1.0.0");
  request("gw-1", says("gw-a", "2.0.0"));
  auto o = order("gw-1", "1.0.0");
  EXPECT_EQ(refused(o), Errc::downgrade);
  o.downgrade = DowngradePermission{"gw-2", to_rfc3339(clock.wall() + 1h), {"vendor", "c2ln"}};
  EXPECT_EQ(refused(o), Errc::malformed) << "for another device";
  o.downgrade->device = "*";
  o.downgrade->expires = to_rfc3339(clock.wall() - 1h);
  EXPECT_EQ(refused(o), Errc::malformed) << "over";
  o.downgrade->expires = to_rfc3339(clock.wall() + 1h);
  const auto id = upgrade(o).value().task.id;
  const auto offer = std::get<Offer>(request("gw-1", says("gw-a", "2.0.0")));
  EXPECT_EQ(offer.task, id) << "a newer version doesn't supersede it";
  EXPECT_EQ(offer.downgrade, o.downgrade);
  options.trust = std::make_shared<firmware::Trust>();  // knows no vendor
  service->set_options(options);
  auto signed_by_nobody = order("gw-2", "1.0.0");
  signed_by_nobody.downgrade = o.downgrade;
  EXPECT_EQ(refused(signed_by_nobody), Errc::signature_invalid);
}

TEST_F(OperatorCommands, CancelsWhatHasNotEnded) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  pushes();
  EXPECT_EQ(unit([&](auto& s) { return on_cancel(s, id, "alice"); }).value().state, TaskState::cancelled);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 cancel"});
  EXPECT_EQ(log_of(id).back().by, "alice");
  EXPECT_EQ(unit([&](auto& s) { return on_cancel(s, id, "alice"); }).error().code, Errc::wrong_state);
  EXPECT_EQ(unit([&](auto& s) { return on_cancel(s, {20261122, 77}, "alice"); }).error().code, Errc::unknown_task);
  const auto confirming = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", confirming, 1);
  pushes();
  EXPECT_EQ(unit([&](auto& s) { return on_cancel(s, confirming, "alice"); }).value().state, TaskState::cancelled);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 cancel"});
  state("gw-1", confirming, DeviceState::installed);
  EXPECT_EQ(state_of(confirming), TaskState::cancelled) << "the order is withdrawn";
  EXPECT_EQ(row_of("gw-1")->current_version, "2.0.0") << "and the device runs it all the same";
}

TEST_F(OperatorCommands, RetryMakesANewTaskForAnEndedOne) {
  add_firmware("2.0.0");
  auto o = order("gw-1", "2.0.0");
  o.priority = Priority::high;
  o.chunk_bytes = 65'536;
  const auto id = upgrade(o).value().task.id;
  auto retry = [&](TaskId task) { return unit([&](auto& s) { return on_retry(s, task, "alice"); }); };
  EXPECT_EQ(retry(id).error().code, Errc::wrong_state);
  unit([&](auto& s) { return on_cancel(s, id, "alice"); });
  const auto again = retry(id).value();
  EXPECT_NE(again.id, id);
  EXPECT_EQ(row(again.id).retry_of, id.number);
  EXPECT_EQ(again.priority, Priority::high);
  EXPECT_EQ(again.chunk_bytes, 65'536u);
  EXPECT_EQ(state_of(id), TaskState::cancelled) << "an end state never changes";
  EXPECT_EQ(retry(id).error().code, Errc::wrong_state) << "one open task for that device and version";
  EXPECT_EQ(retry({20261122, 77}).error().code, Errc::unknown_task);
}

TEST_F(OperatorCommands, PriorityMovesATaskInTheQueue) {
  options.tasks.max_active = 1;
  service->set_options(options);
  add_firmware("2.0.0");
  const auto holder = task_for("gw-1", "2.0.0");
  const auto waiting = task_for("gw-2", "2.0.0");
  auto set = [&](TaskId id, Priority p) { return unit([&](auto& s) { return on_set_priority(s, id, p, "alice"); }); };
  EXPECT_EQ(set(waiting, Priority::security).value().priority, Priority::security);
  EXPECT_EQ(state_of(waiting), TaskState::offered);
  EXPECT_EQ(state_of(holder), TaskState::queued);
  unit([&](auto& s) { return on_cancel(s, holder, "alice"); });
  EXPECT_EQ(set(holder, Priority::low).error().code, Errc::wrong_state);
  EXPECT_EQ(set({20261122, 77}, Priority::low).error().code, Errc::unknown_task);
}

TEST_F(OperatorCommands, FirmwareIsThereOnceAndGoesWhenNobodyNeedsIt) {
  const auto f = add_firmware("2.0.0");
  auto same = f;
  EXPECT_FALSE(unit([&](auto& s) { return on_add_firmware(s, same); }).value().created);
  same.checksum = digest_of(2);
  EXPECT_EQ(unit([&](auto& s) { return on_add_firmware(s, same); }).error().code, Errc::version_exists);
  EXPECT_EQ(std::exchange(images.removed, {}), std::vector<Digest>{digest_of(2)}) << "nobody needs those bytes";
  images.gone.insert(digest_of(5));
  same.version = "2.1.0";
  same.checksum = digest_of(5);
  EXPECT_EQ(unit([&](auto& s) { return on_add_firmware(s, same); }).error().code, Errc::overloaded);

  const auto twin = add_firmware("2.0.0", "gw-b", 1);
  const auto id = task_for("gw-1", "2.0.0");
  auto remove = [&](std::int64_t which) { return unit([&](auto& s) { return on_remove_firmware(s, which); }); };
  EXPECT_EQ(remove(f.id).error().code, Errc::in_use);
  unit([&](auto& s) { return on_cancel(s, id, "alice"); });
  EXPECT_TRUE(remove(f.id));
  EXPECT_TRUE(images.removed.empty()) << "another firmware has the same bytes";
  EXPECT_TRUE(remove(twin.id));
  EXPECT_EQ(images.removed, std::vector<Digest>{digest_of(1)});
  EXPECT_EQ(remove(f.id).error().code, Errc::not_found);
}

TEST_F(OperatorCommands, ADamagedImageEndsItsTasksAndAnUploadHealsIt) {
  const auto f = add_firmware("2.0.0");
  const auto active = task_for("gw-1", "2.0.0");
  const auto absent = upgrade(order("gw-9", "2.0.0")).value().task.id;
  pushes();
  unit([&](auto& s) { return on_image_damaged(s, f.checksum); });
  EXPECT_EQ(row(active).reason, "image_damaged");
  EXPECT_EQ(state_of(absent), TaskState::failed);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 failed"});
  EXPECT_EQ(refused(order("gw-1", "2.0.0")), Errc::image_damaged);
  EXPECT_FALSE(unit([&](auto& s) { return on_add_firmware(s, f); }).value().created);
  EXPECT_TRUE(upgrade(order("gw-1", "2.0.0")));
}

TEST_F(OperatorCommands, RemovingADeviceCancelsItsTasks) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 3);
  const auto a = task_for("gw-1", "2.0.0");
  const auto b = task_for("gw-1", "3.0.0");
  EXPECT_TRUE(unit([&](auto& s) { return on_remove_device(s, "gw-1", "alice"); }));
  EXPECT_EQ(state_of(a), TaskState::cancelled);
  EXPECT_EQ(state_of(b), TaskState::cancelled);
  EXPECT_EQ(unit([&](auto& s) { return on_remove_device(s, "gw-1", "alice"); }).error().code, Errc::unknown_device);
  EXPECT_EQ(unit([&](auto& s) { return on_set_secret(s, "gw-1", digest_of(1)); }).error().code, Errc::unknown_device);
}

TEST_F(OperatorCommands, ADeviceThatIsInstallingCanBeRemoved) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  EXPECT_TRUE(unit([&](auto& s) { return on_remove_device(s, "gw-1", "alice"); }));
  EXPECT_EQ(state_of(id), TaskState::cancelled);
  EXPECT_FALSE(row_of("gw-1"));
}

TEST_F(OperatorCommands, EveryChangeOfStateIsInTheLog) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  transfers().bytes(id.number, 1'000'000);
  transfers().chunks(id.number, {0, 1}, Transport::http);
  advance(1s);
  chunk("gw-1", id, 2, 3);
  verify("gw-1", id, 9, 1, ChunkRanges{{1, 1}});
  clock.advance(3s);
  chunk("gw-1", id, 1, 1);
  verify("gw-1", id, 1, 2);
  std::vector<std::string> lines;
  for (const auto& e : log_of(id))
    lines.push_back(e.kind + " " + (e.to ? std::string(to_string(*e.to)) : std::to_string(e.bytes)));
  EXPECT_EQ(lines, (std::vector<std::string>{"created queued", "state offered", "state downloading", "chunks 1000000",
                                             "state retry_wait", "state downloading", "chunks 0", "state succeeded"}));
}

}  // namespace
}  // namespace ota::engine
