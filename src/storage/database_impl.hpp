#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include "ota/storage/database.hpp"
#include "storage/query.hpp"
#include "storage/task_numbers.hpp"

namespace ota::storage {

struct Database::Impl {
  Impl(const std::string& path, int flags, Mode mode)
      : db(path, flags),
        numbers(path + ".numbers"),
        begin(db, mode == Mode::writer || mode == Mode::editor ? "BEGIN IMMEDIATE" : "BEGIN") {}

  SQLite::Database db;
  TaskNumbers numbers;
  bool task_inserted = false;  ///< since the last commit
  int log_pages = 0;           ///< in the write-ahead log after the last commit
  Query begin;
  Query newest_task{db, "SELECT MAX(number) FROM tasks"};
  Query commit{db, "COMMIT"};
  Query rollback{db, "ROLLBACK"};
  Query savepoint{db, "SAVEPOINT unit"};
  Query release{db, "RELEASE unit"};
  Query undo{db, "ROLLBACK TO unit"};
};

}  // namespace ota::storage
