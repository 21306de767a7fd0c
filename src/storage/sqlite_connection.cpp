#include "storage/sqlite_connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/sql_functions.hpp"

namespace ota::storage {
namespace {

constexpr int kWriterCacheKiB = 8'192;  // bounds memory at any size of the database
constexpr int kReaderCacheKiB = 1'024;
constexpr std::int64_t kCheckedPages = 32'768;  ///< 128 MiB: some tenths of a second; more would hold up a start

Error not_whole(const std::string& path, const std::string& why) {
  return fail(
      Errc::server_fault,
      fmt::format("the database {0} isn't whole: {1}; nothing in it is changed. Restore a backup (remove {0}-wal "
                  "and {0}-shm with it: they belong to the database before)",
                  path, why));
}

}  // namespace

void set_up(SQLite::Database& db, Mode mode) {
  add_functions(db);
  db.exec("PRAGMA foreign_keys=ON");
  db.exec("PRAGMA temp_store=MEMORY");
  if (mode == Mode::reader) {
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

void leave_log(SQLite::Database& db) {
  sqlite3_db_config(db.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

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

Result<void> check_whole(const std::string& path) {
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
