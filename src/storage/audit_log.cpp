#include "ota/storage/tables.hpp"
#include "storage/database_impl.hpp"

namespace ota::storage {
namespace {

constexpr const char* kColumns = "SELECT id, at, actor, remote, action, target, outcome FROM audit ";

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

}  // namespace

struct AuditLog::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query add{db, "INSERT INTO audit (at, actor, remote, action, target, outcome) VALUES (?,?,?,?,?,?)"};
  Query all{db, std::string(kColumns) + "WHERE id<? AND at>=? ORDER BY id DESC"};
  Query of_actor{db, std::string(kColumns) + "WHERE id<? AND at>=? AND actor=? ORDER BY id DESC"};
  Query oldest{db, "SELECT at FROM audit ORDER BY id LIMIT 1"};
  Query keep_since{db, "INSERT OR REPLACE INTO kept_values (name, value) VALUES ('audit_kept_since', ?)"};
  Query prune{db, "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?2) AND at<?1 RETURNING 1"};
};

AuditLog::AuditLog(Database& db) : q_(std::make_unique<Statements>(db.impl().db)) {}
AuditLog::~AuditLog() = default;

void AuditLog::add(const AuditEntry& e) {
  q_->add.run(e.at, e.caller.name, e.caller.remote, e.action, e.target, e.outcome);
}

std::vector<AuditEntry> AuditLog::list(std::optional<WallTime> since, const std::optional<std::string>& actor,
                                       std::int64_t before, int limit) {
  const std::int64_t below = before > 0 ? before : INT64_MAX;
  const WallTime from = since.value_or(WallTime{});
  auto rows = actor ? q_->of_actor.rows(below, from, *actor) : q_->all.rows(below, from);
  return readable_rows(std::move(rows), "audit", read, limit);
}

int AuditLog::prune(WallTime before, int limit) {
  {
    auto oldest = q_->oldest.rows();
    if (!oldest.next() || oldest.time() >= before) return 0;
  }
  // A trigger lets nothing go that is younger.
  q_->keep_since.run(std::to_string(before.time_since_epoch().count()));
  int removed = 0;
  auto rows = q_->prune.rows(before, limit);
  while (rows.next()) ++removed;
  return removed;
}

}  // namespace ota::storage
