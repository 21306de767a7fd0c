#include "ota/engine/board.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ota/firmware/hash.hpp"

namespace ota::engine {
namespace {
constexpr Millis kRateWindow{1'000};
constexpr Millis kRateStale{5'000};
constexpr double kRateWeight = 0.4;  // of the newest window
}  // namespace

bool proves(const DownloadProof& proof, const std::string& device, const std::optional<Digest>& secret) {
  if (!proof.certified.empty() && proof.certified == device) return true;
  return secret && proof.token && firmware::equal_secrets(*secret, *proof.token);
}

std::size_t TransferBoard::SecretHash::operator()(const Digest& secret) const {
  std::size_t hash = 0;
  std::memcpy(&hash, secret.data(), sizeof hash);
  return hash;
}

TransferBoard::TransferBoard(const Clock& clock) : clock_(clock) {}

TransferBoard::Entry* TransferBoard::find(std::int64_t task) {
  const auto found = entries_.find(task);
  return found == entries_.end() ? nullptr : &found->second;
}

void TransferBoard::stir(Entry& entry) {
  entry.dirty = true;
  if (std::exchange(entry.quiet, false)) entry.began = clock_.steady();
}

void TransferBoard::add(Entry& entry, const ChunkRange& range, std::optional<Transport> transport) {
  auto& change = entry.change;
  if (range.first > range.last || range.last >= change.have.count()) return;
  const auto fresh = change.have.set(range);
  change.fresh += fresh;
  if (fresh > 0) change.bytes_since_new = 0;
  if (entry.parts.runs() > 0) entry.parts.drop(entry.chunk_bytes, range);
  if (transport) change.transport = transport;
}

bool TransferBoard::active(std::int64_t task) const {
  std::lock_guard lock(mutex_);
  return entries_.contains(task);
}

std::optional<TransferClass> TransferBoard::transfer_class(std::int64_t task) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(task);
  return found == entries_.end() ? std::nullopt : std::optional{found->second.transfer_class};
}

const TransferBoard::Entry* TransferBoard::proven(const DownloadProof& proof, const std::optional<TaskId>& task) const {
  const auto held = [this](std::int64_t number) -> const Entry* {
    const auto found = entries_.find(number);
    return found == entries_.end() ? nullptr : &found->second;
  };
  if (task) {
    const auto* entry = held(task->number);
    return entry && entry->id == *task ? entry : nullptr;
  }
  if (const auto found = of_device_.find(proof.certified); found != of_device_.end()) return held(found->second);
  if (!proof.token) return nullptr;
  const auto found = of_secret_.find(*proof.token);
  return found == of_secret_.end() ? nullptr : held(found->second);
}

std::optional<DownloadGrant> TransferBoard::admit(const DownloadProof& proof, const std::optional<TaskId>& task) const {
  std::lock_guard lock(mutex_);
  const auto* entry = proven(proof, task);
  if (!entry || entry->image != proof.image || !proves(proof, entry->device, entry->secret)) return {};
  return DownloadGrant{entry->id, entry->chunk_bytes};
}

void TransferBoard::chunks(std::int64_t task, const ChunkRange& range, Transport transport, std::uint32_t chunk_bytes) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry || (chunk_bytes != 0 && chunk_bytes != entry->chunk_bytes)) return;
  add(*entry, range, transport);
  stir(*entry);
}

void TransferBoard::count(Entry& entry, std::uint64_t bytes) {
  auto& change = entry.change;
  change.bytes_sent += bytes;
  change.bytes_fresh += bytes;
  change.bytes_since_new += bytes;
  entry.transfer_class.repeats = change.bytes_sent > entry.allowance;
  const auto now = clock_.steady();
  entry.rate_bytes += bytes;
  if (const auto span = now - entry.rate_since; span >= kRateWindow) {
    const double rate = static_cast<double>(entry.rate_bytes) * 1000.0 / static_cast<double>(span.count());
    entry.rate = span > kRateStale ? rate : entry.rate + kRateWeight * (rate - entry.rate);
    entry.rate_since = now;
    entry.rate_bytes = 0;
  }
  stir(entry);
}

void TransferBoard::bytes(std::int64_t task, std::uint64_t count) {
  std::lock_guard lock(mutex_);
  if (auto* entry = find(task)) this->count(*entry, count);
}

void TransferBoard::sent(std::int64_t task, const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  count(*entry, length);
  auto& change = entry->change;
  if (grid.chunk_bytes != entry->chunk_bytes || grid.count() != change.have.count()) return;
  const auto added = entry->parts.add(grid, offset, length, change.have);
  if (added.fresh_bytes == 0) return;
  change.fresh += added.fresh_chunks;
  change.bytes_new += added.fresh_bytes;
  change.bytes_since_new = 0;
  if (added.fresh_chunks > 0 || !change.transport) change.transport = Transport::http;
}

void TransferBoard::broken(std::int64_t task) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  ++entry->change.broken;
  entry->dirty = true;
}

void TransferBoard::line(std::int64_t task, const LinkSample& sample) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.line.merge(sample);
  entry->dirty = true;
}

TransferView TransferBoard::view_of(const Entry& entry) const {
  const auto& change = entry.change;
  const bool stale = clock_.steady() - entry.rate_since > kRateStale;
  return {change.have.have(),       entry.parts.bytes(), change.bytes_sent,
          stale ? 0.0 : entry.rate, change.percent,      change.transport};
}

std::optional<TransferView> TransferBoard::view(std::int64_t task) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(task);
  if (found == entries_.end()) return {};
  return view_of(found->second);
}

std::unordered_map<std::int64_t, TransferView> TransferBoard::views() const {
  std::lock_guard lock(mutex_);
  std::unordered_map<std::int64_t, TransferView> views;
  for (const auto& [task, entry] : entries_) views.emplace(task, view_of(entry));
  return views;
}

std::optional<FirmwareSignature> TransferBoard::signature(std::int64_t task) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(task);
  return found == entries_.end() ? std::nullopt : found->second.signature;
}

TransferBoard::Entry* TransferBoard::believed(const std::string& device, const Credentials& who, const TaskId& task) {
  auto* entry = find(task.number);
  if (!entry || entry->id != task || entry->device != device) return nullptr;
  const bool token_fits =
      entry->secret && who.token_digest && firmware::equal_secrets(*entry->secret, *who.token_digest);
  return entry->must_prove && !who.certified && !token_fits ? nullptr : entry;
}

std::optional<ChunkGrant> TransferBoard::fetch(const std::string& device, const Credentials& who, const TaskId& task) {
  std::lock_guard lock(mutex_);
  auto* entry = believed(device, who, task);
  if (!entry) return {};
  entry->change.heard = true;
  entry->change.heard_mqtt = true;
  stir(*entry);
  return ChunkGrant{entry->image, entry->chunk_bytes};
}

bool TransferBoard::report(const std::string& device, const Credentials& who, const ProgressReport& progress) {
  if (progress.mismatch || progress.state || progress.percent) return false;
  std::lock_guard lock(mutex_);
  auto* entry = believed(device, who, progress.task);
  if (!entry) return false;
  const auto count = entry->change.have.count();
  const auto outside = [count](const ChunkRange& range) { return range.last >= count; };
  if (std::any_of(progress.chunks.begin(), progress.chunks.end(), outside)) return false;
  for (const auto& range : progress.chunks) add(*entry, range, progress.transport);
  entry->change.heard = true;
  entry->change.heard_mqtt |= who.via_broker;
  entry->change.link.merge(progress.link);
  stir(*entry);
  return true;
}

void TransferBoard::open(Transfer transfer) {
  const auto number = transfer.task.number;
  Entry entry;
  entry.id = transfer.task;
  entry.transfer_class = {std::hash<std::string>{}(transfer.device), transfer.priority == Priority::security};
  entry.device = std::move(transfer.device);
  entry.image = transfer.image;
  entry.chunk_bytes = transfer.chunk_bytes;
  entry.must_prove = transfer.must_prove;
  entry.secret = transfer.secret;
  entry.change.task = number;
  entry.change.have = std::move(transfer.have);
  entry.change.bytes_sent = transfer.bytes_sent;
  entry.allowance = transfer.allowance;
  entry.transfer_class.repeats = transfer.bytes_sent > transfer.allowance;
  entry.signature = std::move(transfer.signature);
  entry.change.percent = transfer.percent;
  entry.rate_since = clock_.steady();
  std::lock_guard lock(mutex_);
  if (const auto before = entries_.find(number); before != entries_.end()) drop(before);
  of_device_[entry.device] = number;
  if (entry.secret) of_secret_[*entry.secret] = number;
  entries_.emplace(number, std::move(entry));
}

void TransferBoard::set_priority(std::int64_t task, Priority priority) {
  std::lock_guard lock(mutex_);
  if (auto* entry = find(task)) entry->transfer_class.security = priority == Priority::security;
}

void TransferBoard::set_allowance(std::int64_t task, std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->allowance = bytes;
  entry->transfer_class.repeats = entry->change.bytes_sent > bytes;
}

void TransferBoard::close(std::int64_t task) {
  std::lock_guard lock(mutex_);
  if (const auto entry = entries_.find(task); entry != entries_.end()) drop(entry);
}

TransferBoard::Entries::iterator TransferBoard::drop(Entries::iterator entry) {
  const auto forget = [number = entry->first](auto& index, const auto& key) {
    const auto found = index.find(key);
    if (found != index.end() && found->second == number) index.erase(found);
  };
  forget(of_device_, entry->second.device);
  if (entry->second.secret) forget(of_secret_, *entry->second.secret);
  return entries_.erase(entry);
}

void TransferBoard::replace_chunks(std::int64_t task, const ChunkBitmap& have, std::uint32_t chunk_bytes) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.have = have;
  entry->parts = {};
  entry->chunk_bytes = chunk_bytes;
  entry->quiet = true;
  entry->began.reset();
}

void TransferBoard::set_chunks(std::int64_t task, const ChunkRanges& ranges, std::optional<Transport> transport) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  for (const auto& range : ranges) add(*entry, range, transport);
  entry->dirty = true;
}

void TransferBoard::set_percent(std::int64_t task, int percent) {
  std::lock_guard lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.percent = percent;
  entry->dirty = true;
}

std::optional<TransferChange> TransferBoard::collect(std::int64_t task) {
  std::lock_guard lock(mutex_);
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

std::vector<std::int64_t> TransferBoard::changed() const {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> tasks;
  for (const auto& [task, entry] : entries_)
    if (entry.dirty) tasks.push_back(task);
  return tasks;
}

std::vector<std::int64_t> TransferBoard::began(Millis then) const {
  std::lock_guard lock(mutex_);
  std::vector<std::int64_t> tasks;
  for (const auto& [task, entry] : entries_)
    if (entry.began && *entry.began <= then) tasks.push_back(task);
  return tasks;
}

void TransferBoard::keep_only(const std::vector<std::int64_t>& tasks) {
  std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool stays = std::find(tasks.begin(), tasks.end(), entry->first) != tasks.end();
    entry = stays ? std::next(entry) : drop(entry);
  }
  for (auto& [task, entry] : entries_) entry.dirty = true;
}

}  // namespace ota::engine
