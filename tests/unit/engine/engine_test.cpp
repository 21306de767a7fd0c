// The engine's thread: its queue, its commits, its stopping.
#include "ota/engine/engine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "support/fakes.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  void make(std::size_t max_waiting = 20'000) {
    options.max_waiting = max_waiting;
    engine = std::move(Engine::create(dir / "otad.db", options, clock, random, images, courier).value());
  }

  Firmware firmware() {
    Firmware f;
    f.version = "2.0.0";
    f.hardware = "gw-a";
    f.size = 2'000'000;
    f.checksum = digest_of(1);
    return f;
  }

  template <class T>
  Result<T> wait(std::function<void(Done<T>)> start) {
    auto result = std::make_shared<std::promise<Result<T>>>();
    start([result](Result<T> value) { result->set_value(std::move(value)); });
    return result->get_future().get();
  }

  void add_firmware() {
    ASSERT_TRUE(wait<Engine::AddedFirmware>([&](auto done) { engine->add_firmware(firmware(), "tester", done); }));
  }

  static UpgradeOrder order(int device) {
    UpgradeOrder o;
    o.device = "gw-" + std::to_string(device);
    o.version = "2.0.0";
    o.hardware = "gw-a";
    return o;
  }

  test::TempDir dir;
  SystemClock clock;
  SystemRandom random;
  FakeImages images;
  FakeCourier courier;
  Options options;
  std::unique_ptr<Engine> engine;
};

TEST_F(EngineTest, AnswersComeAfterTheCommitAndSurviveARestart) {
  make();
  engine->start();
  add_firmware();
  std::vector<TaskId> ids;
  for (int i = 0; i < 20; ++i)
    ids.push_back(wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(i), "tester", done); }).value().task.id);
  engine.reset();
  make();
  engine->start();
  for (int i = 0; i < 20; ++i) {
    const auto again = wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(i), "tester", done); }).value();
    EXPECT_FALSE(again.created);
    EXPECT_EQ(again.task.id, ids[static_cast<std::size_t>(i)]);
  }
}

TEST_F(EngineTest, OneCommitServesAllThatWait) {
  make();
  std::atomic<int> answered{0};
  std::promise<void> all;
  engine->add_firmware(firmware(), "tester", [](const auto&) {});
  for (int i = 0; i < 1'000; ++i)
    engine->upgrade(order(i), "tester", [&](const auto& result) {
      EXPECT_TRUE(result);
      if (++answered == 1'000) all.set_value();
    });
  engine->start();
  all.get_future().get();
  EXPECT_LE(engine->stats().commits, 5u) << "1,000 commands, at most 512 in one commit";
}

TEST_F(EngineTest, ManyThreadsPostTheSameUpgradeAndOneTaskIsMade) {
  make();
  engine->start();
  add_firmware();
  std::atomic<int> created{0};
  std::atomic<int> answered{0};
  std::promise<void> all;
  std::vector<std::thread> posters;
  for (int t = 0; t < 4; ++t)
    posters.emplace_back([&] {
      for (int i = 0; i < 250; ++i)
        engine->upgrade(order(1), "tester", [&](const auto& result) {
          created += result.value().created;
          if (++answered == 1'000) all.set_value();
        });
    });
  for (auto& thread : posters) thread.join();
  all.get_future().get();
  EXPECT_EQ(created, 1);
}

TEST_F(EngineTest, AFullQueueIsAnsweredOverloadedAtOnce) {
  make(10);
  int refused = 0;
  for (int i = 0; i < 15; ++i)
    engine->request(*DeviceId::parse("gw-1"), {}, {}, [&](const std::optional<Answer>& answer) {
      const auto* error = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr;
      if (!error || error->error.code != Errc::overloaded) return;
      EXPECT_GT(error->error.retry_after_s, 0);
      ++refused;
    });
  EXPECT_EQ(refused, 5) << "not started yet: ten wait";
  EXPECT_EQ(engine->stats().refused, 5u);
  EXPECT_EQ(engine->stats().waiting, 10u);
}

TEST_F(EngineTest, StopFinishesWhatWaitsAndRefusesTheRest) {
  make();
  engine->add_firmware(firmware(), "tester", [](const auto&) {});
  int done = 0;
  for (int i = 0; i < 100; ++i)
    engine->upgrade(order(i), "tester", [&](const auto& result) { done += result.has_value(); });
  engine->start();
  engine->stop();
  EXPECT_EQ(done, 100);
  Errc code{};
  engine->upgrade(order(1), "tester", [&](const auto& result) { code = result.error().code; });
  EXPECT_EQ(code, Errc::cancelled);
}

TEST_F(EngineTest, ATransferThatBeginsChangesTheStateWithoutAMessage) {
  make();
  engine->start();
  add_firmware();
  const auto id = wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(1), "tester", done); }).value().task.id;
  std::promise<void> offered;
  engine->request(*DeviceId::parse("gw-1"), {}, {}, [&](const std::optional<Answer>& answer) {
    EXPECT_EQ(type_of(*answer), "metadata");
    offered.set_value();
  });
  offered.get_future().get();
  engine->board().chunks(id.number, {0, 3}, Transport::http);
  engine->stop();
  auto db = std::move(storage::Database::open(dir / "otad.db", storage::Mode::reader).value());
  storage::Tasks tasks(*db);
  const auto task = tasks.find(id.number).value();
  EXPECT_EQ(task.state, TaskState::downloading);
  EXPECT_EQ(task.chunks_have, 4u);
  EXPECT_TRUE(tasks.chunks(task).complete()) << "2,000,000 bytes are four chunks";
}

TEST_F(EngineTest, WhatOperatorsDoIsInTheAuditLogWithIt) {
  make();
  engine->start();
  add_firmware();
  wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(1), Caller("alice", "10.0.0.7:1"), done); }).value();
  auto missing = order(1);
  missing.version = "9.9.9";
  EXPECT_FALSE(wait<UpgradeOutcome>([&](auto done) { engine->upgrade(missing, Caller("alice"), done); }));
  AuditEntry refused;
  refused.caller = Caller("mallory");
  refused.action = "POST";
  refused.outcome = "forbidden";
  engine->audit(refused);
  engine->stop();
  auto db = std::move(storage::Database::open(dir / "otad.db", storage::Mode::reader).value());
  storage::AuditLog audit(*db);
  const auto entries = audit.list({}, {}, 0, 10);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].outcome, "forbidden");
  EXPECT_EQ(entries[1].caller.name, "alice");
  EXPECT_EQ(entries[1].caller.remote, "10.0.0.7:1");
  EXPECT_EQ(entries[1].action, "upgrade");
  EXPECT_EQ(entries[1].target, "gw-1 2.0.0");
  EXPECT_EQ(entries[2].action, "firmware.add");
}

TEST_F(EngineTest, NewSettingsCountFromTheNextCommand) {
  make();
  engine->start();
  add_firmware();
  options.devices.registration = "closed";
  engine->apply(options);
  const auto refused = wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(1), "tester", done); });
  EXPECT_EQ(refused.error().code, Errc::unknown_device);
}

}  // namespace
}  // namespace ota::engine
