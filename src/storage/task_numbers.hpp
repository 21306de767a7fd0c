// Task numbers are given out once, also where an older copy of the database was put back.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <string>

namespace ota::storage {

/// The highest number that was given out, in a file beside the database (`otad.db.numbers`). It is written after each
/// commit with new tasks, without a sync: a process that is killed loses nothing of it, and where the machine loses
/// power the database is not an older one.
class TaskNumbers {
 public:
  explicit TaskNumbers(std::string file) : file_(std::move(file)) {}
  ~TaskNumbers();
  TaskNumbers(const TaskNumbers&) = delete;
  TaskNumbers& operator=(const TaskNumbers&) = delete;

  /// Lets numbers go on well above all that may have been given out, where the database is behind the file or was
  /// made by Backend::backup_to(); says so in the log. In a transaction of its own.
  void go_on(SQLite::Database& db, const std::string& path);
  /// Keeps `number` where it is higher than what was kept; a file that can't be written is logged once.
  void given_out(std::int64_t number) noexcept;

 private:
  std::int64_t read() const;

  const std::string file_;
  int fd_ = -1;
  std::int64_t highest_ = 0;
  bool told_ = false;  ///< that the file can't be written
};

/// The name in kept_values by which a copy is known as one.
inline constexpr const char* kCopiedAt = "copied_at";

}  // namespace ota::storage
