// The engine's side of the active transfers: opens and closes them, and takes what changed.
#include <algorithm>
#include <utility>

#include "ota/engine/active_transfers.hpp"

namespace ota::engine {

void ActiveTransfers::open(Transfer transfer) {
  const auto number = transfer.task.number;
  Entry entry;
  entry.id = transfer.task;
  entry.transfer_class = {std::hash<std::string>{}(transfer.device), transfer.priority == Priority::security};
  entry.device = std::move(transfer.device);
  entry.image = transfer.image;
  entry.chunk_bytes = transfer.chunk_bytes;
  entry.must_prove = transfer.must_prove;
  entry.secret = transfer.secret;
  entry.change.have = std::move(transfer.have);
  entry.change.bytes_sent = transfer.bytes_sent;
  entry.allowance = transfer.allowance;
  entry.transfer_class.repeats = transfer.bytes_sent > transfer.allowance;
  entry.signature = std::move(transfer.signature);
  entry.firmware = transfer.firmware;
  entry.filename = std::move(transfer.filename);
  entry.change.percent = transfer.percent;
  entry.rate_since = clock_.steady();
  const MutexLock lock(mutex_);
  if (const auto before = entries_.find(number); before != entries_.end()) drop(before);
  of_device_[entry.device] = number;
  if (entry.secret) of_secret_[*entry.secret] = number;
  entries_.emplace(number, std::move(entry));
}

void ActiveTransfers::set_priority(std::int64_t task, Priority priority) {
  const MutexLock lock(mutex_);
  if (auto* entry = find(task)) entry->transfer_class.security = priority == Priority::security;
}

void ActiveTransfers::set_allowance(std::int64_t task, std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->allowance = bytes;
  entry->transfer_class.repeats = entry->change.bytes_sent > bytes;
}

void ActiveTransfers::close(std::int64_t task) {
  const MutexLock lock(mutex_);
  if (const auto entry = entries_.find(task); entry != entries_.end()) drop(entry);
}

ActiveTransfers::Entries::iterator ActiveTransfers::drop(Entries::iterator entry) {
  const auto forget = [number = entry->first](auto& index, const auto& key) {
    const auto found = index.find(key);
    if (found != index.end() && found->second == number) index.erase(found);
  };
  forget(of_device_, entry->second.device);
  if (entry->second.secret) forget(of_secret_, *entry->second.secret);
  return entries_.erase(entry);
}

void ActiveTransfers::replace_chunks(std::int64_t task, const ChunkBitmap& have, std::uint32_t chunk_bytes) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.have = have;
  entry->parts = {};
  entry->chunk_bytes = chunk_bytes;
  entry->quiet = true;
  entry->began.reset();
}

void ActiveTransfers::set_chunks(std::int64_t task, const ChunkRanges& ranges, std::optional<Transport> transport) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  for (const auto& range : ranges) add(*entry, range, transport);
  entry->dirty = true;
}

void ActiveTransfers::set_percent(std::int64_t task, int percent) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.percent = percent;
  entry->dirty = true;
}

std::optional<TransferChange> ActiveTransfers::collect(std::int64_t task) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry || !entry->dirty) return {};
  auto change = entry->change;
  change.rate = clock_.steady() - entry->rate_since > kRateStale ? 0.0 : entry->rate;
  entry->dirty = false;
  entry->began.reset();
  entry->change.heard_mqtt = false;
  entry->change.broken = 0;
  entry->change.line = {};
  entry->change.fresh = 0;
  entry->change.bytes_fresh = 0;
  entry->change.bytes_new = 0;
  entry->change.heard = false;
  return change;
}

std::vector<std::int64_t> ActiveTransfers::changed() const {
  const MutexLock lock(mutex_);
  std::vector<std::int64_t> tasks;
  for (const auto& [task, entry] : entries_)
    if (entry.dirty) tasks.push_back(task);
  return tasks;
}

std::vector<std::int64_t> ActiveTransfers::began(Millis then) const {
  const MutexLock lock(mutex_);
  std::vector<std::int64_t> tasks;
  for (const auto& [task, entry] : entries_)
    if (entry.began && *entry.began <= then) tasks.push_back(task);
  return tasks;
}

void ActiveTransfers::keep_only(const std::vector<std::int64_t>& tasks) {
  const MutexLock lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool stays = std::find(tasks.begin(), tasks.end(), entry->first) != tasks.end();
    entry = stays ? std::next(entry) : drop(entry);
  }
  for (auto& [task, entry] : entries_) entry.dirty = true;
}

}  // namespace ota::engine
