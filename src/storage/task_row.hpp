// A row of `tasks` as a Task, and the other way round.
#pragma once

#include <string>

#include "ota/domain/task.hpp"
#include "storage/query.hpp"

namespace ota::storage {

/// `SELECT` the columns that read_task() reads, then `rest`.
std::string select_tasks(const std::string& rest);
Task read_task(Rows& rows);

class TaskWriter {
 public:
  explicit TaskWriter(SQLite::Database& db);
  void insert(const Task& task);  ///< with its number
  void update(const Task& task);  ///< all that can change

 private:
  Query insert_;
  Query update_;
};

}  // namespace ota::storage
