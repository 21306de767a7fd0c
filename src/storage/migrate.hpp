// The schema's number: what this program can work with, and how a database gets there.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

#include "ota/base/result.hpp"

namespace ota::storage {

/// PRAGMA user_version.
int schema_of(SQLite::Database& db);

/// Errc::server_fault: made by a newer otad, or by another program.
Result<void> check_owner(SQLite::Database& db, const std::string& path);

/// Brings the schema to the newest, one transaction a step, and says so in the log. A database that is not empty is
/// copied to `<path>.before-NNNN` first, of which only the last is kept. Errc::server_fault: made by a newer otad, or
/// by another program; Errc::disk_full: no room for the copy.
Result<void> migrate(SQLite::Database& db, const std::string& path);

/// Errc::server_fault where the schema is not the one that this program works with.
Result<void> check_schema(SQLite::Database& db, const std::string& path);

/// A whole copy in `file`, marked as one (TaskNumbers) and without a write-ahead log. Throws SQLite::Exception.
void copy_to(SQLite::Database& db, const std::string& file);

}  // namespace ota::storage
