#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "ota/storage/database.hpp"
#include "storage/query.hpp"

namespace ota::storage {

struct Database::Impl {
  Impl(const std::string& path, int flags, Mode mode)
      : db(path, flags), begin(db, mode == Mode::writer ? "BEGIN IMMEDIATE" : "BEGIN") {}

  SQLite::Database db;
  int log_pages = 0;  ///< in the write-ahead log after the last commit
  Query begin;
  Query commit{db, "COMMIT"};
  Query rollback{db, "ROLLBACK"};
  Query savepoint{db, "SAVEPOINT unit"};
  Query release{db, "RELEASE unit"};
  Query undo{db, "ROLLBACK TO unit"};
};

}  // namespace ota::storage
