// The engine's thread: its queue, its commits, its stopping.
#include "ota/engine/engine.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include "engine/engine_loop.hpp"
#include "support/eventually.hpp"
#include "support/fakes.hpp"
#include "support/faults.hpp"
#include "support/sqlite_faults.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class EngineTest : public ::testing::Test {
 protected:
  void make(std::size_t max_waiting = 20'000) {
    options.max_waiting = max_waiting;
    engine = std::move(Engine::create(*storage, options, clock, random, images, notifier).value());
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
    ASSERT_TRUE(wait<AddedFirmware>([&](auto done) { engine->registry().add_firmware(firmware(), "tester", done); }));
  }

  static UpgradeOrder order(int device) {
    UpgradeOrder o;
    o.device = "gw-" + std::to_string(device);
    o.version = "2.0.0";
    o.hardware = "gw-a";
    return o;
  }

  test::TempDir dir;
  const std::unique_ptr<storage::Backend> storage = storage::make_backend({.database = dir / "otad.db"});
  SystemClock clock;
  SystemRandom random;
  FakeImages images;
  FakeNotifier notifier;
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
  engine->registry().add_firmware(firmware(), "tester", [](const auto&) {});
  for (int i = 0; i < 1'000; ++i)
    engine->upgrade(order(i), "tester", [&](const auto& result) {
      EXPECT_TRUE(result);
      if (++answered == 1'000) all.set_value();
    });
  engine->start();
  all.get_future().get();
  EXPECT_LE(engine->stats().commits, 5u) << "1,000 commands, at most 512 in one commit";
}

TEST_F(EngineTest, AShortLogIsCopiedIntoTheDatabaseWhileNothingWaits) {
  make();
  engine->start();
  add_firmware();
  const auto size = [&](const char* name) { return std::filesystem::file_size(dir / name); };
  const auto before = size("otad.db");
  for (int i = 0; i < 100; ++i) wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(i), "tester", done); });
  EXPECT_LT(size("otad.db-wal"), 3'000u * 4'096) << "not for its length";
  EXPECT_TRUE(test::eventually([&] { return size("otad.db") > before; }));
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
    engine->receive(*DeviceId::parse("gw-1"), {}, DeviceRequest{}, [&](const std::optional<Answer>& answer) {
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
  engine->registry().add_firmware(firmware(), "tester", [](const auto&) {});
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
  engine->receive(*DeviceId::parse("gw-1"), {}, DeviceRequest{}, [&](const std::optional<Answer>& answer) {
    EXPECT_EQ(type_of(*answer), "metadata");
    offered.set_value();
  });
  offered.get_future().get();
  engine->transfers().chunks(id.number, {0, 3}, Transport::http);
  engine->stop();
  auto db = std::move(storage->open(storage::Mode::reader).value());
  storage::Tasks tasks(*db);
  const auto task = tasks.find(id.number).value();
  EXPECT_EQ(task.state, TaskState::downloading);
  EXPECT_EQ(task.chunks_have, 4u);
  EXPECT_TRUE(storage::Unit(*db).chunks(task).complete()) << "2,000,000 bytes are four chunks";
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
  auto db = std::move(storage->open(storage::Mode::reader).value());
  auto& audit = db->audit_log();
  const auto entries = audit.list({}, 0, 10);
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].outcome, "forbidden");
  EXPECT_EQ(entries[1].caller.name, "alice");
  EXPECT_EQ(entries[1].caller.remote, "10.0.0.7:1");
  EXPECT_EQ(entries[1].action, "upgrade");
  EXPECT_EQ(entries[1].target, "gw-1 2.0.0");
  EXPECT_EQ(entries[2].action, "firmware.add");
}

TEST_F(EngineTest, WhoFailsIsUndoneAndTheOthersOfItsUnitAreNot) {
  make();
  engine.reset();  // the database is there
  EngineLoop writer(*storage, options, clock, random, images, notifier);
  ASSERT_TRUE(writer.open());
  std::atomic<int> decided{0};
  std::vector<std::string> told;
  const auto save = [](TaskService& service, const std::string& id) {
    Device device;
    device.id = id;
    device.registered = true;
    service.rows.unit.put(device);
  };
  const auto good = [&](const std::string& id) {
    writer.send({[&, id](TaskService& service) {
                   ++decided;
                   save(service, id);
                   service.after_commit([&, id] { told.push_back(id + " done"); });
                 },
                 [&, id](const Error&) { told.push_back(id + " failed"); }});
  };
  good("a");
  writer.send({[&](TaskService& service) {
                 save(service, "bad");
                 throw std::runtime_error("thrown by the test");
               },
               [&](const Error& error) {
                 EXPECT_EQ(error.code, Errc::server_fault);
                 told.push_back("bad failed");
               }});
  good("b");
  // Two tasks of one device are active: the schema forbids it.
  writer.send({[&](TaskService& service) {
                 save(service, "twice");
                 for (int i = 0; i < 2; ++i) {
                   Task task;
                   task.device = "twice";
                   task.state = TaskState::offered;
                   service.rows.unit.insert(task);
                 }
               },
               [&](const Error&) { told.push_back("twice failed"); }});
  good("c");
  writer.start();  // all that waits is one unit
  writer.stop();
  EXPECT_EQ(told, (std::vector<std::string>{"bad failed", "twice failed", "a done", "b done", "c done"}));
  EXPECT_EQ(decided, 4) << "a came before what failed first, and was decided again with b and c";
  auto db = std::move(storage->open(storage::Mode::reader).value());
  storage::Devices devices(*db);
  std::vector<std::string> there;
  for (const auto& device : devices.list({}, 10).rows) there.push_back(device.id);
  EXPECT_EQ(there, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(EngineTest, AKeyThatCannotBeReadStopsItsOrderOnly) {
  make();
  engine->start();
  add_firmware();
  auto repeated = order(1);
  repeated.idempotency_key = "abc";
  const auto ordered = [&](const UpgradeOrder& o) {
    return wait<UpgradeOutcome>([&](auto done) { engine->upgrade(o, "tester", done); });
  };
  ASSERT_TRUE(ordered(repeated));
  engine.reset();
  {
    const auto db = std::move(storage->open(storage::Mode::writer).value());
    test::spoil_row(*db, "idempotency_keys", "tester\nabc");
  }
  make();
  std::promise<Result<UpgradeOutcome>> refused, taken;
  engine->upgrade(repeated, "tester", [&](auto outcome) { refused.set_value(std::move(outcome)); });
  engine->upgrade(order(2), "tester", [&](auto outcome) { taken.set_value(std::move(outcome)); });
  engine->start();  // both in one unit
  const auto outcome = refused.get_future().get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::server_fault);
  EXPECT_TRUE(taken.get_future().get());
  EXPECT_EQ(engine->stats().commit_faults, 0u) << "the database is well";
  EXPECT_EQ(engine->stats().fault, "");
}

TEST_F(EngineTest, ChunksThatWereTakenInByAnUndoneUnitAreWrittenByTheNext) {
  make();
  engine.reset();
  EngineLoop writer(*storage, options, clock, random, images, notifier);
  ASSERT_TRUE(writer.open());
  Task task;
  std::promise<void> offered;
  writer.send({[&](TaskService& service) {
                 on_add_firmware(service, firmware());
                 DeviceRequest message;
                 message.hardware = "gw-a";
                 message.version = "2.0.0";
                 on_message(service, *DeviceId::parse("gw-1"), {}, message);
                 task = service.rows.unit.active_of("gw-1").value();
                 service.after_commit([&] { offered.set_value(); });
               },
               [](const Error&) {}});
  writer.start();
  offered.get_future().wait();
  std::promise<void> both_wait;
  writer.send({[both = both_wait.get_future().share()](TaskService&) { both.wait(); }, [](const Error&) {}});
  writer.send({[](auto& service) { service.transfers().chunks(1, {0, 2}, Transport::http); }, [](const Error&) {}});
  writer.send({[&](TaskService& service) { service.lifecycle.load(task.id.number); }, [](const Error&) {}});
  writer.send({[](TaskService&) { throw std::runtime_error("thrown by the test"); }, [](const Error&) {}});
  both_wait.set_value();
  writer.stop();
  ASSERT_EQ(task.id.number, 1);
  auto db = std::move(storage->open(storage::Mode::reader).value());
  const auto row = storage::Tasks(*db).find(1).value();
  EXPECT_EQ(row.chunks_have, 3u);
  EXPECT_EQ(row.state, TaskState::downloading);
  EXPECT_EQ(storage::Unit(*db).chunks(row).have(), 3u);
}

class FailingDiskTest : public EngineTest {
 protected:
  Result<UpgradeOutcome> upgrade(int device) {
    return wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(device), "tester", done); });
  }
  template <class Condition>
  void wait_until(Condition condition) {
    ASSERT_TRUE(test::eventually(condition, std::chrono::seconds(30)));
  }
  std::string log() { return dir / "otad.db-wal"; }
  /// How many this process has to the database.
  int connections() {
    int count = 0;
    std::error_code gone;
    for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd"))
      count += std::filesystem::read_symlink(file, gone) == std::filesystem::canonical(dir / "otad.db") ? 1 : 0;
    return count;
  }
};

TEST_F(FailingDiskTest, WhileItFailsAllIsRefusedAndTheCauseToldThenItGoesOn) {
  for (const auto& [what, number] : {std::pair{"sync", EIO}, {"write", EIO}, {"write", ENOSPC}, {"write", EROFS}}) {
    SCOPED_TRACE(std::string(what) + " " + std::to_string(number));
    make();
    engine->start();
    add_firmware();
    const auto first = upgrade(1).value().task.id;
    {
      const test::DiskFault fault(what, number, log());
      for (int i = 0; i < 20; ++i) {
        const auto refused = upgrade(2);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Errc::server_fault);
        EXPECT_FALSE(engine->stats().fault.empty()) << "and stays told while nobody asks";
      }
    }
    wait_until([&] { return upgrade(2).has_value(); });
    wait_until([&] { return engine->stats().fault.empty(); });
    EXPECT_EQ(upgrade(1).value().task.id, first);
    engine.reset();
    std::filesystem::remove_all(dir.path());
    std::filesystem::create_directories(dir.path());
  }
}

TEST_F(FailingDiskTest, TheFaultIsToldUntilSomethingWasWritten) {
  make();
  engine->start();
  add_firmware();
  {
    const test::DiskFault fault("write", ENOSPC, log());
    EXPECT_FALSE(upgrade(1));
    const int failed = test::DiskFault::failed();
    wait_until([&] { return test::DiskFault::failed() >= failed + 2; });  // two tries to go on
    EXPECT_FALSE(engine->stats().fault.empty());
  }
  wait_until([&] { return engine->stats().fault.empty(); });
}

TEST_F(FailingDiskTest, DamageFoundMeanwhileIsWrittenDownAfterwards) {
  make();
  engine->start();
  add_firmware();
  const auto id = upgrade(1).value().task.id;
  images.gone.insert(digest_of(1));
  {
    const test::DiskFault fault("sync", EIO, log());
    EXPECT_FALSE(upgrade(2));
    engine->images().image_damaged(digest_of(1));
    EXPECT_FALSE(upgrade(2));
  }
  wait_until([&] { return engine->stats().damaged == 1; });
  engine->stop();
  auto db = std::move(storage->open(storage::Mode::reader).value());
  EXPECT_EQ(storage::Tasks(*db).find(id.number)->reason, "image_damaged");
  EXPECT_TRUE(db->firmware().find("2.0.0", "gw-a")->damaged);
}

TEST_F(FailingDiskTest, AnImageThatCouldNotBeRecordedIsRemovedFromTheDisk) {
  make();
  // As in the daemon others read; alone, a failed commit may still turn up when its log is read anew.
  auto reader = std::move(storage->open(storage::Mode::reader).value());
  reader->api_keys().all();
  engine->start();
  {
    const test::DiskFault fault("sync", EIO, log());
    EXPECT_FALSE(wait<AddedFirmware>([&](auto done) { engine->registry().add_firmware(firmware(), "tester", done); }));
  }
  wait_until([&] { return engine->stats().fault.empty(); });
  engine->stop();
  EXPECT_EQ(images.removed, std::vector{digest_of(1)});
}

TEST_F(FailingDiskTest, ADeviceWhoseRequestWaitsForDigestsIsAnsweredAllTheSame) {
  images.slow = images.hangs = true;
  make();
  engine->start();
  add_firmware();
  ASSERT_TRUE(upgrade(1));
  std::promise<std::optional<Answer>> answered;
  engine->receive(*DeviceId::parse("gw-1"), {}, DeviceRequest{}, [&](std::optional<Answer> answer) { answered.set_value(answer); });
  wait_until([&] { return engine->stats().commands >= 4; });  // the first is the engine's own
  {
    const test::DiskFault fault("sync", EIO, log());
    EXPECT_FALSE(upgrade(2));
  }
  auto answer = answered.get_future();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  EXPECT_EQ(error_in(*answer.get()).error.code, Errc::overloaded);
  engine->stop();
}

TEST_F(FailingDiskTest, AfterACheckpointThatFailedAllConnectionsAreClosed) {
  make();
  const auto readers = storage->open_readers(2).value();
  EXPECT_EQ(connections(), 3);
  engine->start();
  add_firmware();
  {
    const test::DiskFault fault("sync", EIO, dir / "otad.db");
    for (int i = 0; i < 2'000 && engine->stats().commit_faults == 0; ++i) {
      auto big = order(i);
      big.idempotency_key = std::string(200, 'k') + std::to_string(i);
      wait<UpgradeOutcome>([&](auto done) { engine->upgrade(big, "tester", done); });
    }
    EXPECT_GT(engine->stats().commit_faults, 0u);
    EXPECT_FALSE(engine->stats().fault.empty());
  }
  wait_until([&] { return engine->stats().fault.empty(); });
  EXPECT_EQ(connections(), 1) << "the engine's, opened afresh; readers come back when they are needed";
  EXPECT_TRUE(upgrade(1));
}

TEST_F(EngineTest, OldLogsGoFasterThanTheyCome) {
  make();
  {
    auto db = std::move(storage->open(storage::Mode::writer).value());
    auto& audit = db->audit_log();
    storage::TransferLog log(*db);
    AuditEntry old;
    old.caller = Caller("alice");
    LogEntry entry;
    entry.kind = "state";
    db->begin();
    for (int i = 0; i < 2'500; ++i) {
      audit.add(old);
      log.add(entry);
    }
    db->commit();
  }
  engine->start();
  auto db = std::move(storage->open(storage::Mode::reader).value());
  auto& audit = db->audit_log();
  storage::TransferLog log(*db);
  EXPECT_TRUE(test::eventually([&] { return audit.list({}, 0, 1).empty() && log.list(0, 0, 1).empty(); },
                               std::chrono::seconds(30)));
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

TEST_F(EngineTest, NoExceptionEndsItsThread) {
  make();
  engine->start();
  add_firmware();
  std::atomic<int> thrown{0};
  // What a caller's callback throws, at its answer or at its refusal.
  engine->upgrade(order(1), "tester", [&](const auto&) {
    ++thrown;
    throw std::runtime_error("thrown by a callback");
  });
  engine->cancel({20200101, 7}, "tester", [&](const auto&) {
    ++thrown;
    throw std::runtime_error("thrown by a callback");
  });
  EXPECT_TRUE(wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(2), "tester", done); }));
  EXPECT_EQ(thrown, 2);
  engine->stop();
  engine->cancel({20200101, 7}, "tester", [&](const auto&) {
    ++thrown;
    throw std::runtime_error("thrown by a callback");
  });
  EXPECT_EQ(thrown, 3);
}

TEST_F(EngineTest, WhoIsToldOfEventsMayThrowAndTheAnswerIsGiven) {
  options.events_written = [] { throw std::runtime_error("thrown by a callback"); };
  testing::internal::CaptureStderr();
  make();
  engine->start();
  add_firmware();
  EXPECT_TRUE(wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(1), "tester", done); }));
  EXPECT_EQ(engine->stats().commit_faults, 0u);
  engine->stop();
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("who reads events could not be told of new ones: thrown by a callback"), std::string::npos) << log;
  EXPECT_EQ(log.find("cycle of the engine"), std::string::npos) << log;
}

TEST_F(EngineTest, WhatItsOwnWorkThrowsIsUndoneAloneAndCommandsGoOn) {
  make();
  auto db = std::move(storage->open(storage::Mode::writer).value());
  db->metadata().set_value("timeline_ms", "seventeen");  // what no otad wrote
  std::optional<test::RefusedState> refused(std::in_place, *db, TaskState::expired);
  engine.reset();
  make();
  engine->start();
  add_firmware();
  auto soon = order(1);
  soon.expires_at = clock.wall() + std::chrono::milliseconds(100);
  const auto id = wait<UpgradeOutcome>([&](auto done) { engine->upgrade(soon, "tester", done); }).value().task.id;
  test::eventually([&] { return clock.wall() > *soon.expires_at; }, std::chrono::seconds(5));
  for (int i = 2; i < 10; ++i)
    EXPECT_TRUE(wait<UpgradeOutcome>([&](auto done) { engine->upgrade(order(i), "tester", done); }));
  EXPECT_TRUE(engine->stats().fault.empty());
  EXPECT_EQ(storage::Tasks(*db).find(id.number)->state, TaskState::queued);
  refused.reset();
  EXPECT_TRUE(test::eventually(
      [&] {
        storage::Tasks tasks(*db);
        return tasks.find(id.number)->state == TaskState::expired;
      },
      std::chrono::seconds(30)));
}

}  // namespace
}  // namespace ota::engine
