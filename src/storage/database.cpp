#include "ota/storage/database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <utility>

#include "storage/database_impl.hpp"
#include "storage/migrate.hpp"

namespace ota::storage {
namespace {

constexpr int kBusyMs = 5'000;          // another process: `otad keys`
constexpr int kWriterCacheKiB = 8'192;  // bounds memory at any size of the database
constexpr int kReaderCacheKiB = 1'024;
// Of 4 KiB in the write-ahead log: then they are copied into the database, which keeps commits waiting for some ms.
// Pages that are written again and again are copied once.
constexpr int kLogPages = 4'000;
// A short log is written over before the system has dropped its pages: a cold one is read for each part that changes.
constexpr int kLogPagesAtRest = 1'000;

constexpr std::int64_t kCheckedPages = 32'768;  ///< 128 MiB: some tenths of a second; more would hold up a start

/// Closing `db` as the last one doesn't copy the write-ahead log into the database.
void leave_log(SQLite::Database& db) {
  sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

int note_log_pages(void* impl, sqlite3*, const char*, int pages) {
  static_cast<Database::Impl*>(impl)->log_pages = pages;
  return SQLITE_OK;
}

void checkpoint(Database::Impl& impl, int mode) {
  const int code = sqlite3_wal_checkpoint_v2(impl.db.getHandle(), "main", mode, nullptr, nullptr);
  if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED) return;
  throw to_fault(SQLite::Exception(impl.db.getHandle(), code));
}

Error not_whole(const std::string& path, const std::string& why) {
  return fail(
      Errc::server_fault,
      fmt::format("the database {0} isn't whole: {1}; nothing in it is changed. Restore a backup (remove {0}-wal "
                  "and {0}-shm with it: they belong to the database before)",
                  path, why));
}

void set_up(SQLite::Database& db, Mode mode) {
  db.exec("PRAGMA foreign_keys=ON");
  db.exec("PRAGMA temp_store=MEMORY");
  if (mode == Mode::reader || mode == Mode::copier) {
    db.exec(fmt::format("PRAGMA cache_size=-{}", kReaderCacheKiB));
    db.exec("PRAGMA query_only=ON");
    leave_log(db);
    return;
  }
  db.exec(fmt::format("PRAGMA cache_size=-{}", kWriterCacheKiB));
  db.exec("PRAGMA journal_mode=WAL");
  db.exec("PRAGMA synchronous=FULL");
  // A write-ahead log that once grew large is cut back to this after a checkpoint.
  db.exec("PRAGMA journal_size_limit=67108864");
}

/// What can be said of a file that SQLite doesn't open.
Error cannot_open(const std::string& path, const SQLite::Exception& e) {
  if (e.getErrorCode() == SQLITE_NOTADB)
    return fail(Errc::server_fault,
                fmt::format("{} is no database: correct storage.database or restore a backup", path));
  if (e.getErrorCode() == SQLITE_CORRUPT) return not_whole(path, e.what());
  return fail(
      Errc::server_fault,
      fmt::format("the database {} can't be opened: {}; check that its folder exists, has room and may be written",
                  path, e.what()));
}

Result<void> make_ready(Database::Impl& impl, const std::string& path, Mode mode) {
  auto& db = impl.db;
  db.setBusyTimeout(kBusyMs);
  if (mode == Mode::writer) {
    if (auto ours = check_owner(db, path); !ours) return ours;  // before anything is changed
  }
  set_up(db, mode);
  if (mode == Mode::copier) return {};
  if (mode != Mode::writer) return check_schema(db, path);
  // In place of SQLite's own checkpoints, which keep their faults to themselves.
  sqlite3_wal_hook(db.getHandle(), note_log_pages, &impl);
  if (auto migrated = migrate(db, path); !migrated) return migrated;
  impl.numbers.go_on(db, path);
  return {};
}

}  // namespace

Database::Database() = default;
Database::~Database() = default;

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Mode mode) {
  const mode_t before = ::umask(0027);
  std::unique_ptr<Database> opened(new Database);
  Result<void> ready{};
  try {
    // A connection is one thread's at a time, and nobody asks SQLite how much memory it has: no locks for either.
    [[maybe_unused]] static const int no_figures = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    const int flags = SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX | (mode == Mode::writer ? SQLite::OPEN_CREATE : 0);
    opened->impl_ = std::make_unique<Impl>(path, flags, mode);
    ready = make_ready(*opened->impl_, path, mode);
  } catch (const SQLite::Exception& e) {
    ready = cannot_open(path, e);
  } catch (const Fault& e) {
    ready = fail(Errc::server_fault, fmt::format("the database {} can't be opened: {}", path, e.what()));
  }
  ::umask(before);
  if (!ready) return ready.error();
  return opened;
}

void Database::begin() { impl_->begin.run(); }

void Database::commit() {
  std::int64_t newest = 0;
  if (std::exchange(impl_->task_inserted, false)) {
    auto rows = impl_->newest_task.rows();
    if (rows.next()) newest = rows.maybe(&Rows::integer).value_or(0);
  }
  impl_->commit.run();
  impl_->numbers.given_out(newest);
}

void Database::rollback() noexcept {
  impl_->task_inserted = false;
  try {
    if (sqlite3_get_autocommit(impl_->db.getHandle()) == 0) impl_->rollback.run();
  } catch (const Fault&) {
    // SQLite rolled back by itself.
  }
}

bool Database::checkpoint_when_due(bool at_rest) {
  if (impl_->log_pages < (at_rest ? kLogPagesAtRest : kLogPages)) return false;
  impl_->log_pages = 0;  // where readers are in the way, once the log has grown by a commit more
  checkpoint(*impl_, SQLITE_CHECKPOINT_PASSIVE);
  return true;
}

void Database::checkpoint_all() { checkpoint(*impl_, SQLITE_CHECKPOINT_TRUNCATE); }
void Database::distrust() noexcept { leave_log(impl_->db); }

Database::Savepoint::Savepoint(Database& db) : db_(db) { db_.impl_->savepoint.run(); }

void Database::Savepoint::release() {
  db_.impl_->release.run();
  open_ = false;
}

Database::Savepoint::~Savepoint() {
  if (!open_) return;
  try {
    db_.impl_->undo.run();
    db_.impl_->release.run();
  } catch (const Fault&) {
    // The whole transaction is gone; the caller's commit will say so.
  }
}

Result<void> Database::backup_to(const std::string& file) {
  const mode_t before = ::umask(0027);
  Result<void> result{};
  try {
    copy_to(impl_->db, file);
  } catch (const SQLite::Exception& e) {
    const auto fault = to_fault(e);
    result = fail(fault.kind() == Fault::Kind::disk_full ? Errc::disk_full : Errc::server_fault,
                  fmt::format("the database can't be copied to {}: {}", file, e.what()));
  }
  ::umask(before);
  return result;
}

Result<void> check_database(const std::string& path) {
  try {
    SQLite::Database db(path, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX);
    db.setBusyTimeout(kBusyMs);
    leave_log(db);
    if (db.execAndGet("PRAGMA page_count").getInt64() > kCheckedPages) return {};
    const auto found = db.execAndGet("PRAGMA quick_check(1)").getString();
    return found == "ok" ? Result<void>{} : not_whole(path, found);
  } catch (const SQLite::Exception& e) {
    return cannot_open(path, e);
  }
}

}  // namespace ota::storage
