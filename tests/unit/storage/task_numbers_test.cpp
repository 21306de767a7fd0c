// Task numbers are given out once, also where an older copy was put back.
#include <filesystem>

#include "ota/storage/actions.hpp"
#include "ota/storage/unit.hpp"
#include "unit/storage/sqlite_fixture.hpp"

namespace ota::storage {
namespace {

class TaskNumbersTest : public SqliteTest {
 protected:
  /// Makes `count` tasks; the last one's number.
  static std::int64_t make_tasks(Database& db, int count) {
    Unit unit(db);
    Task task;
    task.device = "gw-1";
    task.size = 1;
    for (int i = 0; i < count; ++i) {
      db.begin();
      unit.insert(task);
      unit.flush();
      db.commit();
    }
    return task.id.number;
  }
  std::int64_t next() {
    const auto db = open();
    return make_tasks(*db, 1);
  }
};

TEST_F(TaskNumbersTest, GoOnByOneOverStarts) {
  EXPECT_EQ(next(), 1);
  EXPECT_EQ(next(), 2);
  {
    const auto db = open();
    Unit unit(*db);
    Task task;
    task.device = "gw-1";
    task.size = 1;
    db->begin();
    unit.insert(task);
    unit.flush();
    db->rollback();
    unit.discard();
    db->begin();
    {
      Database::Savepoint nested(*db);
      unit.insert(task);
      unit.flush();
    }
    db->commit();
  }
  EXPECT_EQ(next(), 3) << "what was undone was never given out";
}

TEST_F(TaskNumbersTest, AFileThatWasPutBackGivesNoneOutTwice) {
  EXPECT_EQ(next(), 1);
  const auto old = contents(path);
  std::int64_t last = 0;
  for (int i = 0; i < 5; ++i) last = next();
  std::ofstream(path, std::ios::binary | std::ios::trunc) << old;
  const auto first = next();
  EXPECT_GT(first, last);
  EXPECT_EQ(next(), first + 1);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << old;
  EXPECT_GT(next(), first + 1) << "again";
}

TEST_F(TaskNumbersTest, ACopyGivesNoneOutTwiceOnAnotherMachineToo) {
  next();
  const auto copy = dir / "copy.db";
  EXPECT_TRUE(backend->backup_to(copy));
  for (int i = 0; i < 5; ++i) next();
  const auto copied = backend_of(copy);
  const auto moved = copied->open(Mode::writer).value();
  const auto first = make_tasks(*moved, 1);
  EXPECT_GT(first, 100'000);
  EXPECT_EQ(make_tasks(*moved, 1), first + 1);
  Action action;
  EXPECT_TRUE(Actions(*moved).insert(action));
  EXPECT_GT(action.id, 100'000) << "nor an action";
}

TEST_F(TaskNumbersTest, GoOnAboveWhatTheOperatorWrote) {
  EXPECT_EQ(next(), 1);
  std::ofstream(path + ".numbers", std::ios::trunc) << "1000000\n";  // docs/operating.md
  const auto first = next();
  EXPECT_GT(first, 1'000'000);
  EXPECT_EQ(next(), first + 1);
}

TEST_F(TaskNumbersTest, AFreshDatabaseInTheSamePlaceGoesOn) {
  next();
  next();
  for (const auto* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  EXPECT_GT(next(), 2);
}

}  // namespace
}  // namespace ota::storage
