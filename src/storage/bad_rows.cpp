#include "ota/storage/bad_rows.hpp"

#include <fmt/format.h>

#include "ota/base/log.hpp"

namespace ota::storage {
namespace {

constexpr std::size_t kMostRows = 1'000;

}  // namespace

BadRow::BadRow(std::string table, std::string key, const std::string& why)
    : std::runtime_error(fmt::format("the row {} of table {} can't be read: {}", key, table, why)),
      table_(std::move(table)),
      key_(std::move(key)) {}

void BadRows::note(const BadRow& row) {
  {
    const MutexLock lock(mutex_);
    if (rows_.size() >= kMostRows) return;
    if (!rows_.try_emplace({row.table(), row.key()}, row.what()).second) return;
  }
  log::error(fmt::format("{}; it is passed over: remove it or restore a backup", row.what()));
}

std::size_t BadRows::count() const {
  const MutexLock lock(mutex_);
  return rows_.size();
}

std::vector<std::string> BadRows::names(std::size_t limit) const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (auto at = rows_.begin(); at != rows_.end() && names.size() < limit; ++at)
    names.push_back(at->first.first + " " + at->first.second);
  return names;
}

void BadRows::forget(const std::string& table, const std::string& key) {
  const MutexLock lock(mutex_);
  rows_.erase({table, key});
}

BadRows& bad_rows() {
  static BadRows rows;
  return rows;
}

}  // namespace ota::storage
