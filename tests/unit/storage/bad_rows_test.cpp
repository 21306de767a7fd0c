#include "ota/storage/bad_rows.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "storage/sqlite_database.hpp"
#include "unit/storage/store.hpp"

namespace ota::storage {
namespace {

using namespace std::chrono_literals;

/// What only SQLite can hold in a column: values of any type and size.
class BadRowsTest : public ::testing::Test, protected Store {
 protected:
  BadRowsTest() : Store(sqlite_on_disk()) {
    for (const auto* name : {"gw-1", "gw-2", "gw-3"}) {
      device(name);
      make(name);
      LogEntry entry;
      entry.task = 1;
      log.add(entry);
    }
    unit.discard();
  }
  void run(const std::string& sql) { sqlite(*db).handle().exec(sql); }
  static bool named(const std::string& row) {
    const auto names = bad_rows().names(1'000);
    return std::find(names.begin(), names.end(), row) != names.end();
  }
  std::vector<std::int64_t> numbers(int limit) {
    std::vector<std::int64_t> found;
    for (const auto& task : tasks.list({}, limit).rows) found.push_back(task.id.number);
    return found;
  }
};

TEST_F(BadRowsTest, EveryOddValueOfATaskIsNamedAndPassedOver) {
  for (const auto* odd :
       {"state=77", "state=-1", "priority=4", "checksum=x'00'", "checksum='text'", "size=0", "size=-5", "chunk_bytes=0",
        "chunk_bytes=5000000000", "size=99999999999", "device='a b'", "device=''", "device=x'00'", "attempt='one'",
        "attempt=99999999999", "chunks_have=-1", "created='soon'", "day=99999999999"}) {
    bad_rows().forget("tasks", "2");
    run("SAVEPOINT odd");
    run(std::string("UPDATE tasks SET ") + odd + " WHERE number=2");
    EXPECT_EQ(numbers(100), (std::vector<std::int64_t>{3, 1})) << odd;
    EXPECT_TRUE(named("tasks 2")) << odd;
    EXPECT_THROW(tasks.find(2), BadRow) << odd;
    run("ROLLBACK TO odd");
    run("RELEASE odd");
  }
  EXPECT_EQ(numbers(100), (std::vector<std::int64_t>{3, 2, 1}));
}

TEST_F(BadRowsTest, APageIsFilledWithRowsThatCanBeRead) {
  run("UPDATE tasks SET state=77 WHERE number=3");
  EXPECT_EQ(numbers(2), (std::vector<std::int64_t>{2, 1}));
  run("UPDATE devices SET link_verdict=9 WHERE id='gw-1'");
  const auto page = devices.list({}, 2).rows;
  ASSERT_EQ(page.size(), 2u);
  EXPECT_EQ(page[0].id, "gw-2");
  EXPECT_EQ(page[1].id, "gw-3");
}

TEST_F(BadRowsTest, EveryOddValueOfADeviceIsNamedAndPassedOver) {
  for (const auto* odd : {"link_verdict=4", "secret=x'1234'", "transports=-1", "transports=3", "transport=7",
                          "max_chunk_bytes=-1", "created='soon'", "rtt_ms='slow'", "link_looks=-1"}) {
    bad_rows().forget("devices", "gw-2");
    run("SAVEPOINT odd");
    run(std::string("UPDATE devices SET ") + odd + " WHERE id='gw-2'");
    EXPECT_EQ(devices.list({}, 100).rows.size(), 2u) << odd;
    EXPECT_TRUE(named("devices gw-2")) << odd;
    EXPECT_THROW(devices.find("gw-2"), BadRow) << odd;
    run("ROLLBACK TO odd");
    run("RELEASE odd");
  }
}

TEST_F(BadRowsTest, OtherListsGoOnToo) {
  run("INSERT INTO firmware (version, hardware, size, checksum, security, notes, created) VALUES "
      "('1', '', 5, x'00', 0, '', 0)");
  EXPECT_TRUE(firmware.all().empty());
  EXPECT_TRUE(firmware.list(0, 10).empty());
  run("UPDATE transfer_log SET to_state=99 WHERE id=2");
  EXPECT_EQ(log.list(1, 0, 10).size(), 2u);
  run("INSERT INTO api_keys (name, role, secret, created) VALUES ('anna', 9, x'00', 0)");
  EXPECT_TRUE(keys.all().empty());
}

TEST_F(BadRowsTest, NoTimerAndNoTurnComesForARowThatCannotBeRead) {
  run("UPDATE tasks SET due=5, wait_reason=1, state=77 WHERE number=1");
  run("UPDATE tasks SET due=6, expiry_due=6, wait_reason=1 WHERE number=2");
  const auto due = tasks.due(10ms, 100);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].id.number, 2);
  EXPECT_EQ(tasks.next_due(), 6ms) << "else the engine would wake for it without an end";
  run("UPDATE tasks SET wait_reason=1 WHERE number=1");
  const auto heads = tasks.ready_heads();
  ASSERT_EQ(heads.size(), 1u);
  EXPECT_EQ(heads[0].id.number, 2);
  EXPECT_EQ(tasks.ready_before(heads[0], 100), 0);
}

}  // namespace
}  // namespace ota::storage
