#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "ota/storage/database.hpp"
#include "storage/query.hpp"

namespace ota::storage {

struct Database::Impl {
  explicit Impl(const std::string& path, int flags) : db(path, flags) {}

  SQLite::Database db;
  std::optional<Query> begin, commit, rollback, savepoint, release, undo;
};

}  // namespace ota::storage
