// Failing disks: what a failed sync means, and how the log makes it good.
#include <cerrno>
#include <filesystem>
#include <future>

#include "support/faults.hpp"
#include "unit/storage/sqlite_fixture.hpp"

namespace ota::storage {
namespace {

class FailingDiskTest : public SqliteTest {
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

}  // namespace
}  // namespace ota::storage
