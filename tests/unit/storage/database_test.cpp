#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <thread>

#include "ota/storage/backend.hpp"
#include "ota/storage/unit.hpp"
#include "storage/migrations.hpp"
#include "storage/sqlite_database.hpp"
#include "support/fakes.hpp"
#include "support/faults.hpp"

namespace ota::storage {
namespace {

class DatabaseTest : public ::testing::Test {
 protected:
  std::unique_ptr<Database> open(Mode mode = Mode::writer) { return backend->open(mode).value(); }
  static std::unique_ptr<Backend> backend_of(const std::string& file) { return make_backend({.database = file}); }
  static std::string contents(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static int pragma(Database& db, const std::string& name) {
    return sqlite(db).handle().execAndGet("PRAGMA " + name).getInt();
  }

  test::TempDir dir;
  const std::string path = dir / "otad.db";
  const std::unique_ptr<Backend> backend = backend_of(path);
};

TEST_F(DatabaseTest, IsDurableAndPrivate) {
  const auto db = open();
  EXPECT_EQ(pragma(*db, "synchronous"), 2) << "FULL";
  EXPECT_EQ(sqlite(*db).handle().execAndGet("PRAGMA journal_mode").getString(), "wal");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(DatabaseTest, MigrationsAreNumberedFromOneWithoutGaps) {
  int expected = 1;
  for (const auto& step : migrations()) EXPECT_EQ(step.number, expected++);
}

TEST_F(DatabaseTest, EveryOlderSchemaGrowsIntoTheNewest) {
  auto schema = [](SQLite::Database& db) {
    std::vector<std::string> lines;
    SQLite::Statement all(db, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql");
    while (all.executeStep()) lines.push_back(all.getColumn(0).getString());
    return lines;
  };
  const auto newest = open();
  const auto fresh = schema(sqlite(*newest).handle());
  for (std::size_t old = 0; old < migrations().size(); ++old) {
    const auto file = dir / ("old" + std::to_string(old) + ".db");
    {
      SQLite::Database db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
      for (std::size_t i = 0; i < old; ++i) db.exec(migrations()[i].sql);
      db.exec("PRAGMA user_version=" + std::to_string(old));
    }
    const auto old_one = backend_of(file);
    const auto db = old_one->open(Mode::writer).value();
    EXPECT_EQ(schema(sqlite(*db).handle()), fresh) << "from " << old;
  }
}

class OldSchemaTest : public DatabaseTest {
 protected:
  const int newest = migrations().back().number;
  const int old = newest - 1;
  const std::string copy = fmt::format("{}.before-{:04}", path, newest);

  void make(const std::string& file, int schema) {
    SQLite::Database db(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    for (int i = 0; i < schema; ++i) db.exec(migrations()[static_cast<std::size_t>(i)].sql);
    db.exec("PRAGMA user_version=" + std::to_string(schema));
    db.exec("INSERT INTO kept_values (name, value) VALUES ('a', 'old')");
  }
  static int schema(const std::string& file) {
    SQLite::Database db(file);
    return db.execAndGet("PRAGMA user_version").getInt();
  }
};

TEST_F(OldSchemaTest, AMigrationKeepsACopyOfWhatWasBefore) {
  make(path, old);
  std::ofstream(path + ".before-0001") << "of an earlier migration";
  EXPECT_EQ(open()->metadata().value("a"), "old");
  EXPECT_EQ(schema(path), newest);
  EXPECT_EQ(schema(copy), old);
  EXPECT_FALSE(std::filesystem::exists(path + ".before-0001")) << "only the last is kept";
  SQLite::Database kept(copy);
  EXPECT_EQ(kept.execAndGet("SELECT value FROM kept_values WHERE name='a'").getString(), "old");
  EXPECT_EQ(kept.execAndGet("PRAGMA integrity_check").getString(), "ok");
}

TEST_F(OldSchemaTest, AFreshDatabaseNeedsNoCopy) {
  open();
  EXPECT_FALSE(std::filesystem::exists(copy));
}

TEST_F(OldSchemaTest, NothingButTheDaemonMigrates) {
  make(path, old);
  for (const auto mode : {Mode::editor, Mode::reader}) {
    const auto refused = backend->open(mode);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find(fmt::format("schema {} ", old)), std::string::npos)
        << refused.error().message;
    EXPECT_NE(refused.error().message.find("restart the daemon"), std::string::npos) << refused.error().message;
    EXPECT_EQ(schema(path), old);
  }
  const auto backup = dir / "copy.db";
  EXPECT_TRUE(backend->backup_to(backup)) << "a backup before the new version starts";
  EXPECT_EQ(schema(backup), old);
  open();
  EXPECT_TRUE(backend->open(Mode::editor));
  EXPECT_TRUE(backend->open(Mode::reader));
}

TEST_F(OldSchemaTest, ADatabaseOfAnotherProgramIsLeftAlone) {
  {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    db.exec("CREATE TABLE bookmarks (url TEXT)");
  }
  for (const int version : {0, 3}) {
    SQLite::Database(path, SQLite::OPEN_READWRITE).exec("PRAGMA user_version=" + std::to_string(version));
    const auto before = contents(path);
    const auto refused = backend->open(Mode::writer);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("another program"), std::string::npos) << refused.error().message;
    EXPECT_EQ(contents(path), before);
  }
}

TEST_F(OldSchemaTest, WhatIsNotWholeIsSaidBeforeAStart) {
  EXPECT_FALSE(backend_of(dir / "nowhere.db")->check());
  { make(path, newest); }
  EXPECT_TRUE(backend->check());
  const auto whole = contents(path);
  // A page amid the file, the end cut off, the header overwritten.
  auto broken = whole;
  std::fill(broken.begin() + 3 * 4096, broken.begin() + 4 * 4096, 'x');
  auto foreign = whole;
  std::fill(foreign.begin(), foreign.begin() + 16, 'x');
  for (const auto& bytes :
       {broken, whole.substr(0, 3 * 4096), foreign, std::string("not at all, and long enough to be one")}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    const auto checked = backend->check();
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message.find("estore a backup"), std::string::npos) << checked.error().message;
    EXPECT_EQ(contents(path), bytes) << "nothing is changed";
  }
}

class TaskNumbersTest : public DatabaseTest {
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
      Database::Savepoint savepoint(*db);
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
}

TEST_F(TaskNumbersTest, AFreshDatabaseInTheSamePlaceGoesOn) {
  next();
  next();
  for (const auto* ending : {"", "-wal", "-shm"}) std::filesystem::remove(path + ending);
  EXPECT_GT(next(), 2);
}

TEST_F(DatabaseTest, ANewerSchemaIsRefusedWithBothNumbers) {
  {
    const auto db = open();
    sqlite(*db).handle().exec("PRAGMA user_version=9999");
  }
  const auto refused = backend->open(Mode::writer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("9999"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find(std::to_string(migrations().back().number)), std::string::npos);
}

TEST_F(DatabaseTest, AFolderThatIsNotThereIsSaid) {
  const auto refused = backend_of(dir / "nowhere/otad.db")->open(Mode::writer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("nowhere"), std::string::npos);
}

TEST_F(DatabaseTest, SavepointsUndoTheirPartOnly) {
  const auto db = open();
  auto& keys = db->metadata();
  db->begin();
  keys.set_value("a", "1");
  {
    Database::Savepoint unit(*db);
    keys.set_value("a", "2");
    keys.set_value("b", "2");
  }
  {
    Database::Savepoint unit(*db);
    keys.set_value("c", "3");
    unit.release();
  }
  db->commit();
  EXPECT_EQ(keys.value("a"), "1");
  EXPECT_FALSE(keys.value("b"));
  EXPECT_EQ(keys.value("c"), "3");
}

TEST_F(DatabaseTest, RollbackUndoesAndIsHarmlessOutside) {
  const auto db = open();
  auto& keys = db->metadata();
  db->rollback();
  db->begin();
  keys.set_value("a", "1");
  db->rollback();
  EXPECT_FALSE(keys.value("a"));
}

TEST_F(DatabaseTest, ABackupUnderWritesIsWhole) {
  const auto writer = open();
  auto& keys = writer->metadata();
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    for (int i = 0; !stop; ++i) {
      writer->begin();
      keys.set_value("a", std::to_string(i));
      keys.set_value("b", std::to_string(i));
      writer->commit();
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto copy = dir / ("copy" + std::to_string(i));
    EXPECT_TRUE(backend->backup_to(copy));
    const auto copied_to = backend_of(copy);
    const auto opened = copied_to->open(Mode::writer).value();
    EXPECT_EQ(sqlite(*opened).handle().execAndGet("PRAGMA integrity_check").getString(), "ok");
    EXPECT_EQ(opened->metadata().value("a"), opened->metadata().value("b"));
  }
  stop = true;
  writing.join();
}

class FailingDiskTest : public DatabaseTest {
 protected:
  /// More than the write-ahead log takes before it is copied.
  static void write_much(Database& db, const std::string& value, int rows = 6'000) {
    auto& keys = db.metadata();
    db.begin();
    for (int i = 0; i < rows; ++i) keys.set_value("key " + std::to_string(i), std::string(3'000, 'x') + value);
    db.commit();
  }
  static std::optional<std::string> last_value(Database& db) {
    auto value = db.metadata().value("key 5999");
    return value ? std::optional(value->substr(3'000)) : value;
  }
  static std::uintmax_t size(const std::string& file) { return std::filesystem::file_size(file); }

  /// Whether the call throws a Fault of that kind.
  template <class Call>
  static bool faults(Fault::Kind kind, Call call) {
    try {
      call();
    } catch (const Fault& fault) {
      return fault.kind() == kind;
    }
    return false;
  }
};

TEST_F(FailingDiskTest, ACommitWhoseSyncFailedIsUndoneByTheNext) {
  auto db = open();
  const auto other = open(Mode::reader);
  db->metadata().set_value("a", "before");
  {
    const test::DiskFault fault("sync", EIO, path + "-wal");
    auto& keys = db->metadata();
    db->begin();
    keys.set_value("a", "lost");
    EXPECT_TRUE(faults(Fault::Kind::ambiguous, [&] { db->commit(); }));
  }
  db.reset();
  db = open();
  EXPECT_EQ(db->metadata().value("a"), "before");
  EXPECT_EQ(other->metadata().value("a"), "before");
}

TEST_F(FailingDiskTest, ALongLogIsCopiedIntoTheDatabase) {
  const auto db = open();
  write_much(*db, "1");
  const auto before = size(path);
  db->maintain(Load::busy);
  EXPECT_GT(size(path), before + 5'000'000);
  const auto log = size(path + "-wal");
  write_much(*db, "2");
  EXPECT_LT(size(path + "-wal"), log * 2) << "begun anew";
}

TEST_F(FailingDiskTest, AShorterLogIsCopiedWhileNobodyWaits) {
  const auto db = open();
  write_much(*db, "1", 1'200);
  const auto before = size(path);
  db->maintain(Load::busy);
  EXPECT_EQ(size(path), before);
  db->maintain(Load::idle);
  EXPECT_GT(size(path), before + 1'000'000);
}

TEST_F(FailingDiskTest, ACheckpointWhoseSyncFailedIsTold) {
  const auto db = open();
  write_much(*db, "1");
  const test::DiskFault fault("sync", EIO, path);
  EXPECT_TRUE(faults(Fault::Kind::broken, [&] { db->maintain(Load::busy); }));
  EXPECT_TRUE(faults(Fault::Kind::broken, [&] { sqlite(*db).copy_log(); }));
}

// A page of the database whose sync failed is clean to the system and lost on the disk: only a log that is read from
// its beginning writes it again.
TEST_F(FailingDiskTest, ADistrustedDatabaseIsMadeAnewFromItsLog) {
  auto db = open();
  auto readers = backend->open_readers(2).value();
  write_much(*db, "1");
  {
    const test::DiskFault fault("sync", EIO, path);
    EXPECT_TRUE(faults(Fault::Kind::broken, [&] { db->maintain(Load::busy); }));
  }
  db.reset();
  readers.reset();
  EXPECT_GT(size(path + "-wal"), 5'000'000u) << "left by whoever closed last";
  std::filesystem::resize_file(path, 4096);  // the pages that the disk lost
  db = open();
  EXPECT_EQ(size(path + "-wal"), 0u) << "a database that is opened again has copied its log";
  EXPECT_EQ(sqlite(*db).handle().execAndGet("PRAGMA integrity_check").getString(), "ok");
  EXPECT_EQ(last_value(*db), "1");
}

TEST_F(FailingDiskTest, OpeningAgainClosesAllAndWaitsForReadersAtWork) {
  auto db = open();
  const auto readers = backend->open_readers(2).value();
  write_much(*db, "1");
  std::promise<void> started;
  std::promise<void> go_on;
  std::atomic<bool> done{false};
  EXPECT_TRUE(readers->post(
      [&](ReadView& view) {
        EXPECT_FALSE(view.metadata.value("a"));
        started.set_value();
        go_on.get_future().wait();
        done = true;
      },
      [](const Error&) {}));
  started.get_future().wait();
  {
    const test::DiskFault fault("sync", EIO, path);
    EXPECT_TRUE(faults(Fault::Kind::broken, [&] { db->maintain(Load::busy); }));
  }
  db.reset();
  auto opened = std::async(std::launch::async, [&] {
    db = open();
    return done.load();
  });
  go_on.set_value();
  EXPECT_TRUE(opened.get());
  std::promise<std::optional<std::string>> read;
  EXPECT_TRUE(readers->post([&](ReadView& view) { read.set_value(view.metadata.value("key 5999")); },
                            [&](const Error& error) { read.set_value(error.message); }));
  EXPECT_EQ(read.get_future().get().value().back(), '1');
}

TEST_F(DatabaseTest, ReadersSeeCommittedStatesWhileTheWriterWrites) {
  const auto writer = open();
  auto& keys = writer->metadata();
  keys.set_value("a", "old");
  auto readers = backend->open_readers(2).value();
  auto read = [&] {
    std::promise<std::optional<std::string>> value;
    EXPECT_TRUE(readers->post([&](ReadView& view) { value.set_value(view.metadata.value("a")); },
                              [&](const Error&) { value.set_value("failed"); }));
    return value.get_future().get();
  };
  writer->begin();
  keys.set_value("a", "new");
  EXPECT_EQ(read(), "old");
  writer->commit();
  EXPECT_EQ(read(), "new");
}

// Every statement must find its rows by an index, or its cost grows with the database.
TEST_F(DatabaseTest, NoStatementScansATable) {
  std::vector<std::string> texts;
  Query::noted = &texts;
  const auto db = open();
  const Tasks tasks(*db);
  const Devices devices(*db);
  const Unit unit(*db);
  const TransferLog log(*db);
  // Read whole on purpose: a handful of rows, or bounded by LIMIT in the order of the key.
  const std::vector<std::string> whole = {
      "FROM sqlite_sequence",
      "FROM api_keys ORDER BY name",
      "FROM firmware ORDER BY id",
      "SELECT id FROM transfer_log ORDER BY id LIMIT",
      "SELECT id FROM audit ORDER BY id LIMIT", "SELECT at FROM audit ORDER BY id LIMIT"};
  Query::noted = nullptr;
  EXPECT_GT(texts.size(), 50u);
  for (const auto& text : texts) {
    if (std::any_of(whole.begin(), whole.end(), [&](const auto& part) { return text.find(part) != std::string::npos; }))
      continue;
    if (text.starts_with("BEGIN") || text.starts_with("SAVEPOINT")) continue;
    const SQLite::Statement taken(sqlite(*db).handle(), text);  // or it throws
    SQLite::Statement plan(sqlite(*db).handle(), "EXPLAIN QUERY PLAN " + text);
    while (plan.executeStep()) {
      const auto detail = plan.getColumn(3).getString();
      const bool scans = detail.starts_with("SCAN") && detail.find("INDEX") == std::string::npos &&
                         detail.find("subquery") == std::string::npos && detail != "SCAN CONSTANT ROW";
      EXPECT_FALSE(scans) << detail << "\n" << text;
      EXPECT_EQ(detail.find("TEMP B-TREE"), std::string::npos) << detail << "\n" << text;
      // A version has as many tasks as there are devices; only GET /tasks, whose statements aren't kept, goes by it.
      EXPECT_EQ(detail.find("tasks_version"), std::string::npos) << detail << "\n" << text;
    }
  }
}

}  // namespace
}  // namespace ota::storage
