#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "ota/storage/database.hpp"
#include "storage/query.hpp"

namespace ota::storage {

struct Database::Impl {
  explicit Impl(const std::string& path, int flags) : db(path, flags) {}

  SQLite::Database db;
  int log_pages = 0;  ///< in the write-ahead log after the last commit
  std::optional<Query> begin, commit, rollback, savepoint, release, undo;
};

}  // namespace ota::storage
