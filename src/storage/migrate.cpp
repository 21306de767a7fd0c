#include "storage/migrate.hpp"

#include <SQLiteCpp/Backup.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <system_error>

#include "ota/base/log.hpp"
#include "storage/migrations.hpp"
#include "storage/task_numbers.hpp"

namespace ota::storage {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::uint64_t kSpareBytes = 16u << 20;  ///< what stays free beside the copy, for the migration itself

Error newer(const std::string& path, int found, int newest) {
  return fail(Errc::server_fault,
              fmt::format("{} has schema {}, made by a newer otad; this one knows up to {}: install the newer otad, or "
                          "restore a backup made before it",
                          path, found, newest));
}

Error foreign(const std::string& path) {
  return fail(
      Errc::server_fault,
      fmt::format("{} is a database of another program: nothing in it is changed; correct storage.database", path));
}

bool has(SQLite::Database& db, const char* where) {
  return db.execAndGet(fmt::format("SELECT COUNT(*) FROM sqlite_master {}", where)).getInt() > 0;
}

bool is_ours(SQLite::Database& db, int schema) {
  if (schema == 0) return !has(db, "");
  return has(db, "WHERE name='tasks'") && has(db, "WHERE name='devices'") && has(db, "WHERE name='kept_values'");
}

/// Whether the file system of the database has room for a copy of it.
Result<void> check_room(SQLite::Database& db, const std::string& path) {
  const auto pages = static_cast<std::uint64_t>(db.execAndGet("PRAGMA page_count").getInt64());
  const auto bytes = pages * static_cast<std::uint64_t>(db.execAndGet("PRAGMA page_size").getInt64());
  std::error_code error;
  const auto folder = fs::path(path).parent_path();
  const auto space = fs::space(folder.empty() ? fs::path(".") : folder, error);
  if (error || space.available >= bytes + kSpareBytes) return {};
  return fail(
      Errc::disk_full,
      fmt::format("the schema of {} must change and a copy is made before: that takes {} MiB and the disk has {} "
                  "MiB free; make room there",
                  path, (bytes + kSpareBytes) >> 20, space.available >> 20));
}

void remove_older_copies(const std::string& path, const fs::path& kept) {
  const auto folder = fs::path(path).parent_path();
  const auto prefix = fs::path(path).filename().string() + ".before-";
  std::error_code error;
  for (fs::directory_iterator at(folder.empty() ? fs::path(".") : folder, error);
       !error && at != fs::directory_iterator(); at.increment(error)) {
    std::error_code ignored;
    if (at->path().filename().string().starts_with(prefix) && at->path().filename() != kept.filename())
      fs::remove(at->path(), ignored);
  }
}

Result<std::string> copy_before(SQLite::Database& db, const std::string& path, int newest) {
  if (auto room = check_room(db, path); !room) return room.error();
  const auto copy = fmt::format("{}.before-{:04}", path, newest);
  const auto part = copy + ".part";
  std::error_code error;
  fs::remove(part, error);
  copy_to(db, part);
  fs::rename(part, copy, error);
  if (error)
    return fail(Errc::server_fault, fmt::format("the copy {} can't be named {}: {}", part, copy, error.message()));
  remove_older_copies(path, copy);
  return copy;
}

void run_steps(SQLite::Database& db) {
  for (const auto& step : migrations()) {
    SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
    // Read inside the transaction: another process may have been faster.
    if (schema_of(db) >= step.number) continue;
    db.exec(step.sql);
    db.exec(fmt::format("PRAGMA user_version={}", step.number));
    transaction.commit();
  }
}

/// Of rows that were inserted without: by a migration, which has no functions of the domain. Those are all rows, so the
/// index is made anew: entry by entry it would take many times as long.
void fill_version_keys(SQLite::Database& db, const char* table, const char* column) {
  SQLite::Statement without(db, fmt::format("SELECT 1 FROM {} WHERE version_key IS NULL LIMIT 1", table));
  if (!without.executeStep()) return;
  without.reset();
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  const auto index =
      db.execAndGet(fmt::format("SELECT sql FROM sqlite_master WHERE name='{}_version'", table)).getString();
  db.exec(fmt::format("DROP INDEX {}_version", table));
  db.exec(fmt::format("UPDATE {} SET version_key=version_key({}) WHERE version_key IS NULL", table, column));
  db.exec(index);
  transaction.commit();
}

/// To the newest schema.
Result<void> grow(SQLite::Database& db, const std::string& path) {
  const int newest = migrations().back().number;
  const int found = schema_of(db);
  if (found == newest) return {};
  std::string copy;
  if (found > 0) {
    auto copied = copy_before(db, path, newest);
    if (!copied) return copied.error();
    copy = std::move(*copied);
    log::info(fmt::format("the schema of {} is {} and must be {}; as it was the database is kept as {}", path, found,
                          newest, copy));
  }
  const auto begun = steady_clock::now();
  run_steps(db);
  if (found > 0) {
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun);
    log::info(fmt::format("the schema of {} went from {} to {} in {} ms; {} may be removed once all is well", path,
                          found, newest, took.count(), copy));
  }
  return {};
}

}  // namespace

int schema_of(SQLite::Database& db) { return db.execAndGet("PRAGMA user_version").getInt(); }

Result<void> check_owner(SQLite::Database& db, const std::string& path) {
  const int newest = migrations().back().number;
  const int found = schema_of(db);
  if (found > newest) return newer(path, found, newest);
  return is_ours(db, found) ? Result<void>{} : foreign(path);
}

Result<void> migrate(SQLite::Database& db, const std::string& path) {
  if (auto grown = grow(db, path); !grown) return grown;
  fill_version_keys(db, "devices", "current_version");
  fill_version_keys(db, "tasks", "version");
  return {};
}

Result<void> check_schema(SQLite::Database& db, const std::string& path) {
  const int newest = migrations().back().number;
  const int found = schema_of(db);
  if (found == newest) return {};
  if (auto ours = check_owner(db, path); !ours) return ours;
  return fail(Errc::server_fault,
              fmt::format("{} has schema {} and this otad works with {}: restart the daemon with this version first, "
                          "which brings it up to date",
                          path, found, newest));
}

void copy_to(SQLite::Database& db, const std::string& file) {
  SQLite::Database target(file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  {
    SQLite::Backup backup(target, db);
    // One step: a read transaction for all of it, so that writers beside it don't make it start over.
    backup.executeStep(-1);
    if (backup.getRemainingPageCount() != 0) throw SQLite::Exception("the copy is not complete", SQLITE_BUSY);
  }
  target.exec("PRAGMA journal_mode=DELETE");
  target.exec(fmt::format("INSERT OR REPLACE INTO kept_values (name, value) VALUES ('{}', strftime('%s'))", kCopiedAt));
}

}  // namespace ota::storage
