#include "storage/task_numbers.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>

#include "ota/base/log.hpp"

namespace ota::storage {
namespace {

constexpr std::int64_t kBeyondFile = 1'000;      ///< what the file may have missed when the power went
constexpr std::int64_t kBeyondCopy = 1'000'000;  ///< what may have been given out since a copy that came without a file
constexpr std::int64_t kEventsBeyondCopy = 1'000'000'000;  ///< the same of events

constexpr std::int64_t kActionsOfTask = 4;

std::int64_t last_of(SQLite::Database& db) {
  SQLite::Statement query(db, "SELECT seq FROM sqlite_sequence WHERE name='tasks'");
  return query.executeStep() ? query.getColumn(0).getInt64() : 0;
}

bool is_copy(SQLite::Database& db) {
  SQLite::Statement query(db, "SELECT 1 FROM kept_values WHERE name=?");
  query.bind(1, kCopiedAt);
  return query.executeStep();
}

}  // namespace

TaskNumbers::~TaskNumbers() {
  if (fd_ >= 0) ::close(fd_);
}

std::int64_t TaskNumbers::read() const {
  std::ifstream in(file_);
  std::string text;
  std::int64_t number = 0;
  if (std::getline(in, text)) std::from_chars(text.data(), text.data() + text.size(), number);
  return std::max<std::int64_t>(number, 0);
}

void TaskNumbers::go_on(SQLite::Database& db, const std::string& path) {
  highest_ = read();
  const auto last = last_of(db);
  const bool copy = is_copy(db);
  auto next = last;
  if (highest_ > last) next = highest_ + kBeyondFile;
  if (copy) next = std::max(next, last + kBeyondCopy);
  if (next == last) return;
  SQLite::Transaction transaction(db, SQLite::TransactionBehavior::IMMEDIATE);
  db.exec("DELETE FROM sqlite_sequence WHERE name='tasks'");
  db.exec(fmt::format("INSERT INTO sqlite_sequence (name, seq) VALUES ('tasks', {})", next));
  // A task has an action for each of its attempts, mostly three at most.
  db.exec("INSERT INTO sqlite_sequence (name, seq) SELECT 'actions', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence "
          "WHERE name='actions')");
  db.exec(fmt::format("UPDATE sqlite_sequence SET seq=seq+{} WHERE name='actions'", kActionsOfTask * (next - last)));
  // Who resumes behind an event that this copy doesn't have misses none of those that follow.
  db.exec(fmt::format("UPDATE sqlite_sequence SET seq=seq+{} WHERE name='events'", kEventsBeyondCopy));
  db.exec(fmt::format("DELETE FROM kept_values WHERE name='{}'", kCopiedAt));
  transaction.commit();
  log::warn(fmt::format(
      "the database {} is a copy of an earlier time (its last task is number {}): new tasks go on from number {}, so "
      "that none is given out twice",
      path, last, next + 1));
  given_out(next);
}

void TaskNumbers::given_out(std::int64_t number) noexcept {
  if (number <= highest_) return;
  highest_ = number;
  if (fd_ < 0) fd_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  char text[21];  // as long each time, so that nothing of a longer one stays
  auto* const end = std::to_chars(text, text + sizeof text - 1, number).ptr;
  std::memset(end, ' ', static_cast<std::size_t>(text + sizeof text - end));
  text[sizeof text - 1] = '\n';
  if (fd_ >= 0 && ::pwrite(fd_, text, sizeof text, 0) == static_cast<ssize_t>(sizeof text)) return;
  if (std::exchange(told_, true)) return;
  log::warn(
      fmt::format("{} can't be written ({}): where an older copy of the database is put back, task numbers may be "
                  "given out twice",
                  file_, std::strerror(errno)));
}

}  // namespace ota::storage
