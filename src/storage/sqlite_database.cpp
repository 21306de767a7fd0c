#include "storage/sqlite_database.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <utility>

#include "ota/base/log.hpp"
#include "storage/migrate.hpp"
#include "storage/sqlite_connection.hpp"

namespace ota::storage {
namespace {

using std::chrono::steady_clock;

// Of 4 KiB in the write-ahead log: then they are copied into the database, which keeps commits waiting for some ms.
// Pages that are written again and again are copied once.
constexpr int kLogPages = 4'000;
// A short log is written over before the system has dropped its pages: a cold one is read for each part that changes.
constexpr int kLogPagesAtRest = 1'000;
constexpr std::chrono::milliseconds kLookAtLogEvery{500};  // at rest

int note_log_pages(void* count, sqlite3*, const char*, int pages) {
  *static_cast<int*>(count) = pages;
  return SQLITE_OK;
}

int flags(Mode mode) {
  return SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX | (mode == Mode::writer ? SQLite::OPEN_CREATE : 0);
}

}  // namespace

SqliteDatabase::SqliteDatabase(const std::string& path, Mode mode, std::atomic<bool>& distrusted)
    : db_(path, flags(mode)),
      distrusted_(distrusted),
      numbers_(path + ".numbers"),
      begin_(db_, mode == Mode::reader ? "BEGIN" : "BEGIN IMMEDIATE") {}

Result<void> SqliteDatabase::make_ready(const std::string& path, Mode mode) {
  db_.setBusyTimeout(kBusyMs);
  if (mode == Mode::writer) {
    if (auto ours = check_owner(db_, path); !ours) return ours;  // before anything is changed
  }
  set_up(db_, mode);
  if (mode != Mode::writer) return check_schema(db_, path);
  // In place of SQLite's own checkpoints, which keep their faults to themselves.
  sqlite3_wal_hook(db_.getHandle(), note_log_pages, &log_pages_);
  if (auto migrated = migrate(db_, path); !migrated) return migrated;
  numbers_.go_on(db_, path);
  return {};
}

Result<std::unique_ptr<SqliteDatabase>> SqliteDatabase::open(const std::string& path, Mode mode,
                                                             std::atomic<bool>& distrusted) {
  const mode_t before = ::umask(0027);
  std::unique_ptr<SqliteDatabase> opened;
  Result<void> ready{};
  try {
    // A connection is one thread's at a time, and nobody asks SQLite how much memory it has: no locks for either.
    [[maybe_unused]] static const int no_statistics = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    opened.reset(new SqliteDatabase(path, mode, distrusted));
    ready = opened->make_ready(path, mode);
  } catch (const SQLite::Exception& e) {
    ready = cannot_open(path, e);
  } catch (const Fault& e) {
    ready = fail(Errc::server_fault, fmt::format("the database {} can't be opened: {}", path, e.what()));
  }
  ::umask(before);
  if (!ready) return ready.error();
  return opened;
}

void SqliteDatabase::commit() {
  std::int64_t newest = 0;
  if (std::exchange(task_inserted_, false)) newest = newest_task_.value(&Rows::integer).value_or(0);
  try {
    commit_.run();
  } catch (const Fault& e) {
    // What was written before the disk failed may be found when the log is read anew.
    if (db_.getErrorCode() == SQLITE_IOERR) throw Fault(Fault::Kind::ambiguous, e.what());
    throw;
  }
  numbers_.given_out(newest);
}

void SqliteDatabase::rollback() noexcept {
  task_inserted_ = false;
  try {
    if (sqlite3_get_autocommit(db_.getHandle()) == 0) rollback_.run();
  } catch (const Fault&) {
    // SQLite rolled back by itself.
  }
}

void SqliteDatabase::undo_nested() noexcept {
  try {
    undo_.run();
    release_.run();
  } catch (const Fault&) {
    // The whole transaction is gone; the caller's commit will say so.
  }
}

void SqliteDatabase::maintain(Load load) {
  const auto now = steady_clock::now();
  const bool at_rest = load == Load::idle && now - looked_at_log_ >= kLookAtLogEvery;
  if (at_rest) looked_at_log_ = now;
  if (log_pages_ < (at_rest ? kLogPagesAtRest : kLogPages)) return;
  log_pages_ = 0;  // where readers are in the way, once the log has grown by a commit more
  const int code = checkpoint(SQLITE_CHECKPOINT_PASSIVE);
  if (code == SQLITE_OK) {
    log_stays_ = false;
    return;
  }
  const bool full = (code & 0xff) == SQLITE_FULL;
  // The log keeps all that was committed, and grows until there is room.
  if (full && std::exchange(log_stays_, true)) return;
  log::error(fmt::format("the write-ahead log can't be copied into the database: {}; {}", db_.getErrorMsg(),
                         full ? "make room on its disk" : "check the disk, the database is opened afresh"));
  if (!full) distrust(code);
}

void SqliteDatabase::copy_log() {
  const int code = checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
  if (code == SQLITE_OK) return;
  if ((code & 0xff) == SQLITE_FULL) throw to_fault(SQLite::Exception(db_.getHandle(), code));
  distrust(code);
}

int SqliteDatabase::checkpoint(int mode) {
  const int code = sqlite3_wal_checkpoint_v2(db_.getHandle(), "main", mode, nullptr, nullptr);
  const bool in_the_way = (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED;
  return in_the_way ? SQLITE_OK : code;
}

void SqliteDatabase::distrust(int code) {
  const auto fault = to_fault(SQLite::Exception(db_.getHandle(), code));
  distrusted_ = true;
  leave_log(db_);
  throw fault;
}

}  // namespace ota::storage
