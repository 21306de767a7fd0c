#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <atomic>
#include <utility>

#include "ota/storage/backend.hpp"
#include "storage/migrate.hpp"
#include "storage/migrations.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_database.hpp"
#include "storage/sqlite_readers.hpp"

namespace ota::storage {
namespace {

class SqliteBackend final : public Backend {
 public:
  explicit SqliteBackend(std::string path) : path_(std::move(path)) {}

  Result<void> check() override { return check_whole(path_); }
  Result<std::unique_ptr<Database>> open(Mode mode) override;
  Result<std::unique_ptr<Readers>> open_readers(unsigned threads) override {
    return SqliteReaders::open(path_, threads, connections_);
  }
  Result<void> backup_to(const std::string& file) override;

 private:
  Result<void> copy(SQLite::Database& db, const std::string& file);
  void close_readers();

  const std::string path_;
  Connections connections_;
  std::atomic<bool> written_{false};  // a writer was opened before
};

Result<std::unique_ptr<Database>> SqliteBackend::open(Mode mode) {
  if (mode == Mode::writer && connections_.distrusted.exchange(false)) close_readers();
  auto opened = SqliteDatabase::open(path_, mode, connections_.distrusted);
  if (!opened) return opened.error();
  if (mode == Mode::writer && written_.exchange(true)) {
    try {
      (*opened)->copy_log();
    } catch (const Fault& e) {
      return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
    }
  }
  return std::unique_ptr<Database>(std::move(*opened));
}

void SqliteBackend::close_readers() {
  const MutexLock lock(connections_.mutex);
  for (auto* readers : connections_.readers) readers->close_all();
}

Result<void> SqliteBackend::backup_to(const std::string& file) {
  const mode_t before = ::umask(0027);
  Result<void> result{};
  try {
    SQLite::Database db(path_, SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX);
    db.setBusyTimeout(kBusyMs);
    set_up(db, Mode::reader);
    result = copy(db, file);
  } catch (const SQLite::Exception& e) {
    result = cannot_open(path_, e);
  }
  ::umask(before);
  return result;
}

Result<void> SqliteBackend::copy(SQLite::Database& db, const std::string& file) {
  try {
    copy_to(db, file);
    return {};
  } catch (const SQLite::Exception& e) {
    return fail(e.getErrorCode() == SQLITE_FULL ? Errc::disk_full : Errc::server_fault,
                fmt::format("the database can't be copied to {}: {}", file, e.what()));
  }
}

}  // namespace

Result<int> schema_of_file(const std::string& file) {
  try {
    SQLite::Database db(file, SQLite::OPEN_READONLY | SQLite::OPEN_NOMUTEX);
    return schema_of(db);
  } catch (const SQLite::Exception& e) {
    return cannot_open(file, e);
  }
}

int newest_schema() { return migrations().back().number; }

std::unique_ptr<Backend> make_backend(const StorageSettings& settings) {
  return std::make_unique<SqliteBackend>(settings.database);
}

}  // namespace ota::storage
