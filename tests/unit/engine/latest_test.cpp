// Devices that only ask whether there is something newer.
#include <gtest/gtest.h>

#include "engine/commands.hpp"
#include "engine/device_latest.hpp"
#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

class LatestQuestions : public TaskServiceTest {
 protected:
  LatestQuestions() { options.tasks.confirm_timeout_s = 900; }

  Answer ask(const std::string& device, std::optional<std::string> current = "1.0.0", bool looks = false,
             Credentials who = {}) {
    LatestQuery query;
    query.device = DeviceId::parse(device);
    query.hardware = "gw-a";
    query.current = std::move(current);
    query.looks = looks;
    return unit([&](auto& s) { return on_latest(s, *query.device, who, query); });
  }
  /// Firmware with its file, and an order for the device.
  TaskId order_for(const std::string& device, const std::string& version = "2.0.0") {
    auto firmware = add_firmware(version);
    unit([&](auto& s) {
      firmware.file = FirmwareFile{"gw-a.bin", {}, {7}};
      s.rows.firmware.update(firmware);
    });
    return upgrade(order(device, version)).value().task.id;
  }
  /// The whole image goes out.
  void download(const TaskId& id) {
    const auto task = row(id);
    transfers().sent(id.number, task.grid(), 0, task.size);
    advance(Millis{1'000});
  }
  static bool is_offer(const Answer& answer) { return std::holds_alternative<Offer>(answer); }
  static bool is_nothing(const Answer& answer) { return std::holds_alternative<UpToDateAnswer>(answer); }
};

TEST_F(LatestQuestions, AWholeUpdateIsProvedByALaterQuestion) {
  EXPECT_TRUE(is_nothing(ask("esp")));
  const auto id = order_for("esp");
  EXPECT_TRUE(pushes().empty());
  EXPECT_EQ(state_of(id), TaskState::queued) << "its turn comes when it asks";
  const auto answer = ask("esp");
  ASSERT_TRUE(is_offer(answer));
  EXPECT_EQ(std::get<Offer>(answer).md5, (Md5Digest{7}));
  download(id);
  EXPECT_EQ(state_of(id), TaskState::installing);
  EXPECT_TRUE(is_nothing(ask("esp", "2.0.0")));
  EXPECT_EQ(state_of(id), TaskState::succeeded);
  EXPECT_TRUE(row(id).confirmed);
  EXPECT_TRUE(pushes().empty()) << "nothing is published for it";
}

TEST_F(LatestQuestions, WhoComesBackWithoutItMayFetchItAgainButNotForEver) {
  options.tasks.retry_backoff_s = 0;
  service->set_options(options);
  ask("esp");
  const auto id = order_for("esp");
  ask("esp");
  download(id);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(is_offer(ask("esp", "1.0.0", true))) << "a look costs nothing";
  EXPECT_TRUE(is_offer(ask("esp")));
  EXPECT_TRUE(is_offer(ask("esp")));
  EXPECT_EQ(row(id).attempt, 1);
  ask("esp");
  EXPECT_EQ(row(id).attempt, 2) << "that attempt failed";
  for (int i = 0; i < 60 && state_of(id) != TaskState::failed; ++i) {
    advance(Millis{600'000});
    if (is_offer(ask("esp")) && state_of(id) != TaskState::installing) download(id);
  }
  EXPECT_EQ(state_of(id), TaskState::failed);
  EXPECT_EQ(row(id).reason, "downloaded_again");
  EXPECT_TRUE(is_nothing(ask("esp")));
}

TEST_F(LatestQuestions, ItsTurnComesWhenASlotIsFree) {
  options.tasks.max_active = 1;
  service->set_options(options);
  ask("a");
  ask("b");
  const auto first = order_for("a");
  const auto second = order_for("b", "2.1.0");
  EXPECT_TRUE(is_offer(ask("a")));
  const auto waits = ask("b");
  ASSERT_TRUE(std::holds_alternative<QueuedAnswer>(waits));
  EXPECT_GE(std::get<QueuedAnswer>(waits).retry_after_s, 1);
  EXPECT_LT(std::get<QueuedAnswer>(waits).retry_after_s, options.ddi.poll_s);
  download(first);
  EXPECT_TRUE(is_offer(ask("b"))) << "who installs holds no slot";
  EXPECT_EQ(state_of(second), TaskState::offered);
}

TEST_F(LatestQuestions, WhatWaitsForATimeIsAskedForAtTheUsualPace) {
  ask("esp");
  order_for("esp", "2.0.0");
  unit([&](auto& s) {
    for (auto& task : s.rows.unit.queued_of("esp", 8)) {
      task.not_before = s.wall() + std::chrono::hours{5};
      task.wait_due = s.now() + std::chrono::hours{5};
      s.lifecycle.save(task);
      s.scheduler.mark_dirty("esp");
    }
  });
  const auto answer = ask("esp");
  ASSERT_TRUE(std::holds_alternative<QueuedAnswer>(answer));
  EXPECT_EQ(std::get<QueuedAnswer>(answer).retry_after_s, options.ddi.poll_s);
}

TEST_F(LatestQuestions, WithoutAFileNothingIsShown) {
  ask("esp");
  add_firmware("2.0.0");
  const auto id = upgrade(order("esp", "2.0.0")).value().task.id;
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(ask("esp"))) << "its digests are being computed";
  EXPECT_EQ(state_of(id), TaskState::queued);
}

TEST_F(LatestQuestions, WhoNeverSaysItsVersionIsNotUpdatedForEver) {
  ask("esp", {});
  const auto id = order_for("esp");
  EXPECT_TRUE(is_offer(ask("esp", {})));
  download(id);
  EXPECT_EQ(state_of(id), TaskState::installing);
  for (int i = 0; i < 40 && state_of(id) != TaskState::failed; ++i) {
    advance(Millis{600'000});
    if (is_offer(ask("esp", {})) && state_of(id) != TaskState::installing) download(id);
  }
  EXPECT_EQ(state_of(id), TaskState::failed);
}

TEST_F(LatestQuestions, WhoAsksSeldomHasTheTimeToProveIt) {
  Credentials who;
  who.protocol = Protocol::latest;
  for (int i = 0; i < 20; ++i) {
    ask("esp", "1.0.0", false, who);
    advance(std::chrono::hours{6});
  }
  const auto id = order_for("esp");
  EXPECT_TRUE(is_offer(ask("esp", "1.0.0", false, who)));
  download(id);
  advance(std::chrono::hours{12});
  EXPECT_EQ(state_of(id), TaskState::installing);
  EXPECT_TRUE(is_nothing(ask("esp", "2.0.0", false, who)));
  EXPECT_EQ(state_of(id), TaskState::succeeded);
}

TEST_F(LatestQuestions, ADeviceIsFoundByItsToken) {
  const auto who_asks = [&](std::optional<Digest> token) {
    Credentials who;
    who.token_digest = token;
    return unit([&](auto& s) { return device_that_asks(s, {}, who); });
  };
  ask("esp");
  ask("other");
  unit([&](auto& s) { return on_set_secret(s, "esp", digest_of(9)); });
  EXPECT_EQ(who_asks(digest_of(9)).value().str(), "esp");
  EXPECT_EQ(who_asks(digest_of(8)).error().code, Errc::not_authorized);
  EXPECT_EQ(who_asks({}).error().code, Errc::not_authorized);
  unit([&](auto& s) { return on_set_secret(s, "other", digest_of(9)); });
  EXPECT_EQ(who_asks(digest_of(9)).error().code, Errc::not_authorized) << "it names two";
  unit([&](auto& s) { return on_set_secret(s, "esp", digest_of(8)); });
  EXPECT_EQ(who_asks(digest_of(8)).value().str(), "esp");
  EXPECT_EQ(who_asks(digest_of(9)).value().str(), "other");
  EXPECT_EQ(error_in(ask("esp")).error.code, Errc::not_authorized) << "it has a token now";
}

class LatestFleet : public FleetTest {
 protected:
  LatestFleet() {
    for (auto& firmware : service->rows.firmware.all()) {
      firmware.file = FirmwareFile{"gw-a.bin", {}, {}};
      unit([&](auto& s) { s.rows.firmware.update(firmware); });
    }
    for (int i = 1; i <= 20; ++i) {
      random.value = std::fmod(i * 0.618034, 1.0);
      ask(i);
    }
    auto wanted = spec();
    wanted.stages.clear();
    id = rollout(wanted);
  }

  /// `metadata`, `queued` or `up_to_date`.
  std::string ask(int i, const std::string& current = "1.0.0") {
    LatestQuery query;
    query.device = DeviceId::parse(name(i));
    query.hardware = "gw-a";
    query.current = current;
    return std::string(type_of(unit([&](auto& s) { return on_latest(s, *query.device, {}, query); })));
  }
  void download(int i) {
    const auto task = task_in(id, name(i)).value();
    transfers().sent(task.id.number, task.grid(), 0, task.size);
    advance(1s);
  }

  RolloutId id;
};

TEST_F(LatestFleet, TheGateStandsBeforeTheDownload) {
  EXPECT_EQ(ask(1), "metadata");
  EXPECT_EQ(ask(2), "queued") << "one at a time while nothing is proved";
  download(1);
  EXPECT_EQ(in(id, Bucket::soaking), 1);
  EXPECT_EQ(ask(1, "2.0.0"), "up_to_date");
  EXPECT_EQ(ask(2), "queued") << "it says so before its soak is over";
  advance(1801s);
  EXPECT_EQ(ask(1, "2.0.0"), "up_to_date");
  EXPECT_EQ(in(id, Bucket::healthy), 1);
  EXPECT_EQ(ask(2), "metadata");
  EXPECT_EQ(miscounted(), "");
}

TEST_F(LatestFleet, WhoNeverInstallsHaltsIt) {
  EXPECT_EQ(ask(1), "metadata");
  download(1);
  EXPECT_EQ(ask(1), "metadata");
  EXPECT_EQ(ask(1), "metadata");
  EXPECT_NE(ask(1), "metadata");
  EXPECT_EQ(state_of(id), "halted budget_spent");
  EXPECT_EQ(in(id, Bucket::failed), 1);
  EXPECT_NE(ask(2), "metadata") << "no device gets what broke another";
  EXPECT_EQ(ask(1), "up_to_date") << "it failed there";
  EXPECT_EQ(miscounted(), "");
}

}  // namespace
}  // namespace ota::engine
