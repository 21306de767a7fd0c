#include "ota/storage/audit_log.hpp"

#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"

namespace ota::storage {
namespace {

constexpr const char* kColumns = "SELECT id, at, actor, remote, action, target, outcome FROM audit ";

constexpr const char* kWanted =
    "WHERE id<?1 AND at>=?2 AND at<?3 AND (?4 IS NULL OR action=?4) AND (?5 IS NULL OR target=?5) AND "
    "(?6 IS NULL OR outcome=?6)";

AuditEntry read(Rows& rows) {
  AuditEntry e;
  e.id = rows.integer();
  e.at = rows.time();
  e.caller.name = rows.text();
  e.caller.remote = rows.text();
  e.action = rows.text();
  e.target = rows.text();
  e.outcome = rows.text();
  return e;
}

class SqliteAuditLog final : public AuditLog {
 public:
  explicit SqliteAuditLog(SQLite::Database& db) : db_(db) {}

  void add(const AuditEntry& e) override {
    add_.run(e.at, e.caller.name, e.caller.remote, e.action, e.target, e.outcome);
  }

  int prune(WallTime before, int limit) override {
    auto rows = oldest_.rows();
    if (!rows.next()) return 0;
    try {
      if (rows.time() >= before) return 0;
    } catch (const BadValue&) {  // when it was written can't be read: it stays, older ones behind it don't
    }
    // A trigger lets nothing go that is younger.
    keep_since_.run(std::to_string(before.time_since_epoch().count()));
    return prune_.count(before, limit);
  }

  std::vector<AuditEntry> list(const AuditFilter& filter, std::int64_t before, int limit) const override {
    const std::int64_t below = before > 0 ? before : INT64_MAX;
    const WallTime from = filter.since.value_or(WallTime{});
    const WallTime to = filter.until.value_or(WallTime{Millis{INT64_MAX}});
    const auto& query = filter.actor ? of_actor_ : all_;
    return readable_rows(query.rows(below, from, to, filter.action, filter.target, filter.outcome, filter.actor),
                         "audit", read, limit);
  }

  std::int64_t count() const override { return count_.value(&Rows::integer).value_or(0); }

 private:
  SQLite::Database& db_;
  Query add_{db_, "INSERT INTO audit (at, actor, remote, action, target, outcome) VALUES (?,?,?,?,?,?)"};
  Query all_{db_, std::string(kColumns) + kWanted + " AND ?7 IS NULL ORDER BY id DESC"};
  Query of_actor_{db_, std::string(kColumns) + kWanted + " AND actor=?7 ORDER BY id DESC"};
  Query oldest_{db_, "SELECT at FROM audit ORDER BY id LIMIT 1"};
  // Only the oldest go, so there are no gaps.
  Query count_{db_, "SELECT (SELECT MAX(id) FROM audit) - (SELECT MIN(id) FROM audit) + 1"};
  Query keep_since_{db_, "INSERT OR REPLACE INTO kept_values (name, value) VALUES ('audit_kept_since', ?)"};
  Query prune_{db_, "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?2) AND at<?1 RETURNING 1"};
};

}  // namespace

std::unique_ptr<AuditLog> make_audit_log(SQLite::Database& db) { return std::make_unique<SqliteAuditLog>(db); }

}  // namespace ota::storage
