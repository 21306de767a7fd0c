#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "ota/base/result.hpp"
#include "ota/storage/backend.hpp"
#include "ota/storage/database.hpp"
#include "storage/query.hpp"
#include "storage/sqlite_tables.hpp"
#include "storage/task_numbers.hpp"

namespace ota::storage {

/// One connection: WAL, synchronous=FULL, foreign keys on.
///
/// What is committed lies in the write-ahead log, and now and then is copied into the database (checkpoint). Where the
/// disk fails a sync of that, no later checkpoint of any open connection makes it good, for SQLite takes pages as safe
/// whose sync failed once: `distrusted` is set, the log is left as it is, and all connections of the program must be
/// closed, so that the next one reads the log from its beginning.
class SqliteDatabase final : public Database {
 public:
  /// As Backend::open(); a writer's file is made with mode 0640. `distrusted` must outlive it.
  static Result<std::unique_ptr<SqliteDatabase>> open(const std::string& path, Mode mode,
                                                      std::atomic<bool>& distrusted);

  void begin() override { begin_.run(); }
  void commit() override;
  void rollback() noexcept override;
  /// Copies the log once it is long enough, which is sooner at rest.
  void maintain(Load load) override;
  /// Copies all of the log and empties it; nothing where readers are in the way. Throws Fault as maintain().
  void copy_log();

  FirmwareCatalogue& firmware() override { return *firmware_; }
  AuditLog& audit_log() override { return *audit_log_; }
  EventLog& event_log() override { return *event_log_; }
  Webhooks& webhooks() override { return *webhooks_; }
  ApiKeys& api_keys() override { return *api_keys_; }
  Metadata& metadata() override { return *metadata_; }
  IdempotencyKeys& idempotency_keys() override { return *idempotency_keys_; }

  SQLite::Database& handle() noexcept { return db_; }
  /// A task was inserted in this transaction: commit() keeps its number.
  void note_task() noexcept { task_inserted_ = true; }

 private:
  SqliteDatabase(const std::string& path, Mode mode, std::atomic<bool>& distrusted);
  Result<void> make_ready(const std::string& path, Mode mode);
  void begin_nested() override { savepoint_.run(); }
  void keep_nested() override { release_.run(); }
  void undo_nested() noexcept override;
  /// An SQLite code; SQLITE_OK also where others are in the way.
  int checkpoint(int mode);
  [[noreturn]] void distrust(int code);

  SQLite::Database db_;
  std::atomic<bool>& distrusted_;
  TaskNumbers numbers_;
  bool task_inserted_ = false;  // since the last commit
  int log_pages_ = 0;           // in the write-ahead log after the last commit
  bool log_stays_ = false;      // it could not be copied for lack of room
  std::chrono::steady_clock::time_point looked_at_log_;
  Query begin_;
  Query newest_task_{db_, "SELECT MAX(number) FROM tasks"};
  Query commit_{db_, "COMMIT"};
  Query rollback_{db_, "ROLLBACK"};
  Query savepoint_{db_, "SAVEPOINT unit"};
  Query release_{db_, "RELEASE unit"};
  Query undo_{db_, "ROLLBACK TO unit"};
  const std::unique_ptr<FirmwareCatalogue> firmware_ = make_firmware_catalogue(db_);
  const std::unique_ptr<AuditLog> audit_log_ = make_audit_log(db_);
  const std::unique_ptr<EventLog> event_log_ = make_event_log(db_);
  const std::unique_ptr<Webhooks> webhooks_ = make_webhooks(db_);
  const std::unique_ptr<ApiKeys> api_keys_ = make_api_keys(db_);
  const std::unique_ptr<Metadata> metadata_ = make_metadata(db_);
  const std::unique_ptr<IdempotencyKeys> idempotency_keys_ = make_idempotency_keys(db_);
};

/// Every Database of this backend is one.
inline SqliteDatabase& sqlite(Database& db) { return static_cast<SqliteDatabase&>(db); }

}  // namespace ota::storage
