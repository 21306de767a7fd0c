// Rows of a batch: read by set, changed in memory, written once, and undone with their transaction.
#include "ota/storage/unit.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gmock/gmock.h>

#include "storage/sqlite_database.hpp"
#include "storage/state_sets.hpp"
#include "support/fakes.hpp"

namespace ota::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class UnitOfWork : public ::testing::Test {
 protected:
  Task make(const std::string& device, const std::string& version = "1.0.0", Priority priority = Priority::normal) {
    Task task;
    task.id.day = 20261122;
    task.device = device;
    task.version = version;
    task.priority = priority;
    task.size = 4'096;
    task.chunk_bytes = 512;
    unit.insert(task);
    return task;
  }
  void put(Task& task, TaskState state) {
    task.state = state;
    unit.put(task);
  }
  void put_device(const std::string& id) {
    Device device;
    device.id = id;
    unit.put(device);
  }
  void run(const std::string& sql) { sqlite(*db).handle().exec(sql); }
  std::vector<std::int64_t> queued_of(const std::string& device) {
    std::vector<std::int64_t> numbers;
    for (const auto& task : unit.queued_of(device, 10)) numbers.push_back(task.id.number);
    return numbers;
  }
  /// What the database answers beside the unit.
  std::optional<Task> stored(const Task& task) { return tasks.find(task.id.number); }
  void open(const Wanted& wanted) {
    unit.discard();
    unit.read(wanted);
  }
  void commit() {
    unit.flush();
    unit.discard();
  }

  test::TempDir dir;
  const std::unique_ptr<Backend> storage = make_backend({.database = dir / "otad.db"});
  std::unique_ptr<Database> db = storage->open(Mode::writer).value();
  Unit unit{*db};
  Tasks tasks{*db};
  Devices devices{*db};
  TransferLog log{*db};
};

TEST_F(UnitOfWork, NothingIsWrittenBeforeItIsFlushed) {
  put_device("a");
  auto task = make("a");
  put(task, TaskState::offered);
  LogEntry created;
  created.task = task.id.number;
  unit.add(created);
  EXPECT_FALSE(stored(task));
  EXPECT_FALSE(devices.find("a"));
  EXPECT_EQ(unit.active_of("a")->id, task.id);
  EXPECT_EQ(unit.device("a")->id, "a");
  unit.flush();
  EXPECT_EQ(stored(task)->state, TaskState::offered);
  EXPECT_TRUE(devices.find("a"));
  EXPECT_EQ(log.list(task.id.number, 0, 10).size(), 1u);
}

TEST_F(UnitOfWork, WhatIsDiscardedNeverWas) {
  put_device("a");
  auto task = make("a");
  commit();
  put(task, TaskState::offered);
  auto another = make("a", "2.0.0");
  unit.discard();
  EXPECT_EQ(unit.task(task.id.number)->state, TaskState::queued);
  unit.flush();
  EXPECT_EQ(stored(task)->state, TaskState::queued);
  EXPECT_EQ(make("b").id.number, another.id.number) << "its number is free again";
}

TEST_F(UnitOfWork, ReadsRowsBySet) {
  for (const auto* id : {"a", "b", "c"}) put_device(id);
  auto a = make("a");
  auto b = make("b");
  make("c");
  auto bitmap = ChunkBitmap{8};
  bitmap.set({1, 3});
  for (auto* task : {&a, &b}) {
    task->chunks_have = 3;
    put(*task, TaskState::downloading);
    unit.put_chunks(*task, bitmap);
  }
  commit();
  open({{"a", "nobody", "a"}, {b.id.number, 99}, {}});
  // What the database says from now on isn't seen any more.
  run("UPDATE tasks SET reason='later'");
  run("UPDATE devices SET hardware='later'");
  run("DELETE FROM task_chunks");
  EXPECT_EQ(unit.active_of("a")->reason, "");
  EXPECT_EQ(unit.device("a")->hardware, "");
  EXPECT_EQ(unit.active_of("b")->reason, "") << "its device comes with a task";
  EXPECT_EQ(unit.device("b")->hardware, "");
  EXPECT_EQ(unit.chunks(b), bitmap);
  EXPECT_FALSE(unit.device("nobody"));
  EXPECT_FALSE(unit.task(99));
  EXPECT_EQ(unit.device("c")->hardware, "later") << "wasn't named";
}

TEST_F(UnitOfWork, WhoLeavesADeviceIsWrittenFirst) {
  auto a = make("a", "1.0.0");
  auto b = make("a", "2.0.0");
  put(a, TaskState::offered);
  commit();
  put(b, TaskState::offered);
  put(a, TaskState::queued);
  EXPECT_NO_THROW(unit.flush());
  put(a, TaskState::offered);
  EXPECT_THROW(unit.flush(), Fault) << "the database itself refuses a second";
}

TEST_F(UnitOfWork, QueuedTasksByPriorityAndAge) {
  auto low = make("a", "1.0.0", Priority::low);
  auto normal = make("a", "2.0.0");
  auto held = make("a", "3.0.0");
  put(held, TaskState::downloading);
  EXPECT_THAT(queued_of("a"), ElementsAre(normal.id.number, low.id.number));
  EXPECT_EQ(unit.open_of("a", "v3.0.0")->id, held.id) << "compares as equal";
  EXPECT_FALSE(unit.open_of("a", "4.0.0"));
  low.priority = Priority::high;
  unit.put(low);
  EXPECT_THAT(queued_of("a"), ElementsAre(low.id.number, normal.id.number));
}

TEST_F(UnitOfWork, SlotsAndTheQueueAreFollowed) {
  put_device("a");
  auto a = make("a");
  auto b = make("b");
  put(a, TaskState::offered);
  EXPECT_EQ(unit.queue().slots_held(), 1);
  put(b, TaskState::retry_wait);
  EXPECT_EQ(unit.queue().slots_held(), 2);
  put(a, TaskState::installing);
  EXPECT_EQ(unit.queue().slots_held(), 1);
  EXPECT_TRUE(unit.queue().is_empty());
  const auto version = unit.queue().version();
  auto waiting = make("c");
  waiting.wait_reason = WaitReason::slot;
  unit.put(waiting);
  EXPECT_NE(unit.queue().version(), version);
  EXPECT_FALSE(unit.queue().is_empty());
  commit();
  EXPECT_FALSE(unit.queue().is_empty()) << "as the database says";
  waiting.wait_reason = WaitReason::none;
  unit.put(waiting);
  EXPECT_TRUE(unit.queue().is_empty());
  EXPECT_EQ(unit.queue().slots_held(), 1);
}

TEST_F(UnitOfWork, ChunksAreKeptWhileTheTaskIsOpen) {
  auto task = make("a");
  EXPECT_EQ(unit.chunks(task).have(), 0u);
  auto bitmap = unit.chunks(task);
  bitmap.set({1, 3});
  task.chunks_have = 3;
  unit.put(task);
  unit.put_chunks(task, bitmap);
  commit();
  EXPECT_EQ(unit.chunks(task), bitmap);
  unit.put_chunks(task, {});
  put(task, TaskState::succeeded);
  commit();
  EXPECT_FALSE(sqlite(*db).handle().execAndGet("SELECT COUNT(*) FROM task_chunks").getInt());
}

TEST_F(UnitOfWork, ARowThatCannotBeReadStopsItsDeviceOnly) {
  for (const auto* id : {"a", "b"}) put_device(id);
  auto active = make("a");
  auto waits = make("b", "1.0.0");
  auto good = make("b", "2.0.0");
  put(active, TaskState::offered);
  commit();
  run("UPDATE tasks SET size='x' WHERE number IN (1, 2)");
  open({{"a", "b"}, {}, {}});
  EXPECT_THROW(unit.active_of("a"), BadRow);
  EXPECT_FALSE(unit.active_of("b"));
  EXPECT_THAT(queued_of("b"), ElementsAre(good.id.number)) << "passes over " << waits.id.number;
  EXPECT_THROW(unit.task(waits.id.number), BadRow);
  run("UPDATE devices SET created='x' WHERE id='a'");
  open({{"a", "b"}, {}, {}});
  EXPECT_THROW(unit.device("a"), BadRow);
  EXPECT_TRUE(unit.device("b"));
}

TEST_F(UnitOfWork, KeysAreReadAndKept) {
  EXPECT_FALSE(unit.answered("k"));
  unit.remember("k", {{}, 5, true, TaskState::offered, WallTime{}});
  EXPECT_EQ(unit.answered("k")->task, 5);
  open({{}, {}, {"k"}});
  EXPECT_EQ(unit.answered("k")->task, 5);
}

TEST_F(UnitOfWork, ThePredicatesOfTheIndexesAreTheDomainsSets) {
  EXPECT_EQ(in(kOpen), "(state<5 OR state=9)");
  EXPECT_EQ(in(kActive), "(state>0 AND state<5 OR state=9)");
  EXPECT_EQ(in(kHoldsSlot), "state>0 AND state<4");
  EXPECT_EQ(in(kEnded), "state>4 AND state<9");
  EXPECT_EQ(in({TaskState::queued, TaskState::downloading}), "(state<1 OR state=2)");
  const auto predicate_of = [&](const std::string& index) {
    SQLite::Statement statement(sqlite(*db).handle(), "SELECT replace(sql, ' ', '') FROM sqlite_master WHERE name=?");
    statement.bind(1, index);
    const auto sql = statement.executeStep() ? statement.getColumn(0).getString() : std::string{};
    return sql.substr(sql.find("WHERE") + 5);
  };
  const auto plain = [](std::string text) {
    std::erase(text, ' ');
    return text;
  };
  EXPECT_EQ(predicate_of("tasks_open"), plain(in(kOpen)));
  EXPECT_EQ(predicate_of("tasks_firmware"), plain(in(kOpen)));
  EXPECT_EQ(predicate_of("tasks_active"), plain(in(kActive)));
  EXPECT_EQ(predicate_of("tasks_slots"), plain(in(kHoldsSlot)));
  EXPECT_EQ(predicate_of("tasks_ready"), "wait_reason=" + std::to_string(static_cast<int>(WaitReason::slot)));
}

}  // namespace
}  // namespace ota::storage
