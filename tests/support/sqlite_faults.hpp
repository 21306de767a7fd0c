// What goes wrong inside an SQLite database, for tests of those who use it: the one place outside tests/unit/storage
// that knows its tables.
#pragma once

#include <string>

#include "ota/domain/task_state.hpp"
#include "storage/sqlite_database.hpp"

namespace ota::test {

/// Makes the counters of all rollouts wrong.
inline void spoil_counters(storage::Database& db) {
  storage::sqlite(db).handle().exec("UPDATE rollout_counts SET n = n + 7");
}

/// Makes a row unreadable, as a bad disk would: of `tasks`, `devices`, `firmware`, `transfer_log`,
/// `idempotency_keys`, `api_keys`.
inline void spoil_row(storage::Database& db, const std::string& table, const std::string& key) {
  const std::string change = table == "tasks"              ? "tasks SET priority=77 WHERE number="
                             : table == "devices"          ? "devices SET transport=9 WHERE id="
                             : table == "firmware"         ? "firmware SET checksum=x'00' WHERE id="
                             : table == "transfer_log"     ? "transfer_log SET to_state=99 WHERE id="
                             : table == "idempotency_keys" ? "idempotency_keys SET state=99 WHERE key="
                                                           : "api_keys SET role=9 WHERE name=";
  storage::sqlite(db).handle().exec("UPDATE " + change + "'" + key + "'");
}

/// While it lives, no task can change to that state.
class RefusedState {
 public:
  RefusedState(storage::Database& db, TaskState state) : db_(storage::sqlite(db).handle()) {
    db_.exec("CREATE TRIGGER refused BEFORE UPDATE ON tasks WHEN NEW.state = " +
             std::to_string(static_cast<int>(state)) + " BEGIN SELECT RAISE(ABORT, 'by the test'); END");
  }
  ~RefusedState() { db_.exec("DROP TRIGGER refused"); }
  RefusedState(const RefusedState&) = delete;
  RefusedState& operator=(const RefusedState&) = delete;

 private:
  SQLite::Database& db_;
};

/// Commits don't wait for the disk any more.
inline void hurry(storage::Database& db) { storage::sqlite(db).handle().exec("PRAGMA synchronous=OFF"); }

}  // namespace ota::test
