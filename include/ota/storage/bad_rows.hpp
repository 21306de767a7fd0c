// Rows that can't be read: named once, passed over, and everything else goes on.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ota/base/mutex.hpp"

namespace ota::storage {

/// A row whose values can't be what this program wrote: a number outside its range, a digest of another length. Thrown
/// where one row is asked for; lists pass over it. No Fault: the database is in order, one row isn't.
class BadRow : public std::runtime_error {
 public:
  /// `key` names the row in its table (a task's number, a device's id).
  BadRow(std::string table, std::string key, const std::string& why);

  const std::string& table() const noexcept { return table_; }
  const std::string& key() const noexcept { return key_; }

 private:
  std::string table_;
  std::string key_;
};

/// Those found since the start. Thread-safe; its lock is a leaf.
class BadRows {
 public:
  /// Logged as an error the first time. Beyond 1,000 rows no more are kept.
  void note(const BadRow& row);
  std::size_t count() const;
  /// At most `limit` of them, as `tasks 42`, ordered by table and key.
  std::vector<std::string> names(std::size_t limit) const;
  /// The row was removed or mended.
  void forget(const std::string& table, const std::string& key);

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string> rows_ OTA_GUARDED_BY(mutex_);  // why
};

/// The process has one: connections on several threads meet the same rows.
BadRows& bad_rows();

/// What `find` returns; nothing where that row can't be read: BadRows names it, and the caller goes on without it.
template <class Find>
auto if_readable(Find find) -> decltype(find()) {
  try {
    return find();
  } catch (const BadRow&) {
    return {};
  }
}

}  // namespace ota::storage
