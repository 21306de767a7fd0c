// What is SQLite's own: its settings, the plans of all statements, triggers.
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>

#include <algorithm>

#include "ota/storage/actions.hpp"
#include "ota/storage/absent_devices.hpp"
#include "ota/storage/unit.hpp"
#include "unit/storage/sqlite_fixture.hpp"

namespace ota::storage {
namespace {

TEST_F(SqliteTest, IsDurableAndPrivate) {
  const auto db = open();
  EXPECT_EQ(pragma(*db, "synchronous"), 2) << "FULL";
  EXPECT_EQ(sqlite(*db).handle().execAndGet("PRAGMA journal_mode").getString(), "wal");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(SqliteTest, AFolderThatIsNotThereIsSaid) {
  const auto refused = backend_of(dir / "nowhere/otad.db")->open(Mode::writer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("nowhere"), std::string::npos);
}

// Every statement must find its rows by an index, or its cost grows with the database.
TEST_F(SqliteTest, NoStatementScansATable) {
  std::vector<std::string> texts;
  Query::noted = &texts;
  const auto db = open();
  const Tasks tasks(*db);
  const Devices devices(*db);
  const TransferLog log(*db);
  const Actions actions(*db);
  const AbsentDevices absent(*db);
  const Unit unit(*db);
  // Read whole on purpose: a handful of rows, or bounded by LIMIT in the order of the key.
  const std::vector<std::string> whole = {
      "FROM sqlite_sequence",
      "FROM api_keys ORDER BY name",
      "FROM fleet GROUP BY 1, 2, 3",  // as many as there are versions and days
      "FROM task_counts",
      "FROM firmware ORDER BY id",
      "SELECT id FROM transfer_log ORDER BY id LIMIT",
      "SELECT id FROM audit ORDER BY id LIMIT",
      "SELECT number FROM events ORDER BY number LIMIT",
      "FROM webhooks ORDER BY id",
      "SELECT at FROM audit ORDER BY id LIMIT"};
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

TEST_F(SqliteTest, NoStatementChangesAnEntryOfTheAudit) {
  const auto db = open();
  AuditLog& audit = db->audit_log();
  AuditEntry entry;
  entry.action = "upgrade";
  audit.add(entry);
  for (const auto* sql :
       {"REPLACE INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', '')",
        "INSERT OR REPLACE INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', "
        "'')",
        "INSERT INTO audit (id, at, actor, remote, action, target, outcome) VALUES (1, 0, 'x', '', '', '', '') "
        "ON CONFLICT (id) DO UPDATE SET actor='x'",
        "UPDATE OR REPLACE audit SET actor='x'", "DELETE FROM audit"})
    EXPECT_THROW(sqlite(*db).handle().exec(sql), SQLite::Exception) << sql;
  audit.add(entry);
  ASSERT_EQ(audit.list({}, 0, 10).size(), 2u);
  EXPECT_EQ(audit.list({}, 0, 10)[1].action, "upgrade");
}

}  // namespace
}  // namespace ota::storage
