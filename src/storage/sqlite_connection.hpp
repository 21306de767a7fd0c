// SQLite's own side of a connection: how it is set up, and what is said where the file can't be used.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

#include "ota/base/result.hpp"
#include "ota/storage/backend.hpp"

namespace ota::storage {

/// How long a connection waits for another process, `otad keys`.
inline constexpr int kBusyMs = 5'000;

/// Foreign keys, memory, and for who writes WAL with synchronous=FULL.
void set_up(SQLite::Database& db, Mode mode);

/// Closing `db` as the last one doesn't copy the write-ahead log into the database.
void leave_log(SQLite::Database& db);

/// What can be said of a file that SQLite doesn't open.
Error cannot_open(const std::string& path, const SQLite::Exception& e);

/// PRAGMA quick_check of a database of up to 128 MiB. Errc::server_fault.
Result<void> check_whole(const std::string& path);

}  // namespace ota::storage
