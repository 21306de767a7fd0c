#include "ota/engine/active_transfers.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ota/firmware/hash.hpp"

namespace ota::engine {
namespace {
constexpr Millis kRateWindow{1'000};
constexpr double kRateWeight = 0.4;  // of the newest window
}  // namespace

bool proves(const DownloadProof& proof, const std::string& device, const std::optional<Digest>& secret) {
  if (!proof.certified.empty() && proof.certified == device) return true;
  return secret && proof.token && firmware::equal_secrets(*secret, *proof.token);
}

std::size_t ActiveTransfers::SecretHash::operator()(const Digest& secret) const {
  std::size_t hash = 0;
  std::memcpy(&hash, secret.data(), sizeof hash);
  return hash;
}

ActiveTransfers::ActiveTransfers(const Clock& clock) : clock_(clock) {}

ActiveTransfers::Entry* ActiveTransfers::find(std::int64_t task) {
  const auto found = entries_.find(task);
  return found == entries_.end() ? nullptr : &found->second;
}

void ActiveTransfers::mark_changed(Entry& entry) {
  entry.dirty = true;
  if (std::exchange(entry.quiet, false)) entry.began = clock_.steady();
}

void ActiveTransfers::add(Entry& entry, const ChunkRange& range, std::optional<Transport> transport) {
  auto& change = entry.change;
  if (range.first > range.last || range.last >= change.have.count()) return;
  const auto fresh = change.have.set(range);
  change.fresh += fresh;
  if (fresh > 0) change.bytes_since_new = 0;
  if (entry.parts.runs() > 0) entry.parts.drop(entry.chunk_bytes, range);
  if (transport) change.transport = transport;
}

std::optional<TransferClass> ActiveTransfers::active(std::int64_t task) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(task);
  return found == entries_.end() ? std::nullopt : std::optional{found->second.transfer_class};
}

const ActiveTransfers::Entry* ActiveTransfers::proven(const DownloadProof& proof,
                                                      const std::optional<TaskId>& task) const {
  const auto held = [this](std::int64_t number) OTA_REQUIRES(mutex_) -> const Entry* {
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

std::optional<DownloadGrant> ActiveTransfers::admit(const DownloadProof& proof,
                                                    const std::optional<TaskId>& task) const {
  const MutexLock lock(mutex_);
  const auto* entry = proven(proof, task);
  if (!entry || entry->image != proof.image || !proves(proof, entry->device, entry->secret)) return {};
  return DownloadGrant{entry->id, entry->chunk_bytes};
}

void ActiveTransfers::chunks(std::int64_t task, const ChunkRange& range, Transport transport,
                             std::uint32_t chunk_bytes) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry || (chunk_bytes != 0 && chunk_bytes != entry->chunk_bytes)) return;
  add(*entry, range, transport);
  mark_changed(*entry);
}

void ActiveTransfers::count(Entry& entry, std::uint64_t bytes) {
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
  mark_changed(entry);
}

void ActiveTransfers::bytes(std::int64_t task, std::uint64_t count) {
  const MutexLock lock(mutex_);
  if (auto* entry = find(task)) this->count(*entry, count);
}

void ActiveTransfers::sent(std::int64_t task, const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length) {
  const MutexLock lock(mutex_);
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

void ActiveTransfers::broken(std::int64_t task) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  ++entry->change.broken;
  entry->dirty = true;
}

void ActiveTransfers::line(std::int64_t task, const LinkSample& sample) {
  const MutexLock lock(mutex_);
  auto* entry = find(task);
  if (!entry) return;
  entry->change.line.merge(sample);
  entry->dirty = true;
}

TransferView ActiveTransfers::view_of(const Entry& entry) const {
  const auto& change = entry.change;
  const bool stale = clock_.steady() - entry.rate_since > kRateStale;
  return {change.have.have(),       entry.parts.bytes(), change.bytes_sent,
          stale ? 0.0 : entry.rate, change.percent,      change.transport};
}

std::optional<TransferView> ActiveTransfers::view(std::int64_t task) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(task);
  if (found == entries_.end()) return {};
  return view_of(found->second);
}

std::unordered_map<std::int64_t, TransferView> ActiveTransfers::views() const {
  const MutexLock lock(mutex_);
  std::unordered_map<std::int64_t, TransferView> views;
  for (const auto& [task, entry] : entries_) views.emplace(task, view_of(entry));
  return views;
}

std::optional<FirmwareSignature> ActiveTransfers::signature(std::int64_t task) const {
  const MutexLock lock(mutex_);
  const auto found = entries_.find(task);
  return found == entries_.end() ? std::nullopt : found->second.signature;
}

ActiveTransfers::Entry* ActiveTransfers::believed(const std::string& device, const Credentials& who,
                                                  const TaskId& task) {
  auto* entry = find(task.number);
  if (!entry || entry->id != task || entry->device != device) return nullptr;
  const bool token_fits =
      entry->secret && who.token_digest && firmware::equal_secrets(*entry->secret, *who.token_digest);
  const bool proven = who.certified || token_fits || (who.gateway && !entry->secret);
  return entry->must_prove && !proven ? nullptr : entry;
}

std::optional<ChunkGrant> ActiveTransfers::fetch(const std::string& device, const Credentials& who,
                                                 const TaskId& task) {
  const MutexLock lock(mutex_);
  auto* entry = believed(device, who, task);
  if (!entry) return {};
  entry->change.heard = true;
  entry->change.heard_mqtt = true;
  mark_changed(*entry);
  return ChunkGrant{entry->image, entry->chunk_bytes};
}

std::optional<ArtifactGrant> ActiveTransfers::artifact(const std::string& device, const Credentials& who,
                                                       std::int64_t firmware) {
  const MutexLock lock(mutex_);
  const auto found = of_device_.find(device);
  auto* held = found == of_device_.end() ? nullptr : find(found->second);
  auto* entry = held ? believed(device, who, held->id) : nullptr;
  if (!entry || entry->firmware != firmware || entry->filename.empty()) return {};
  entry->change.heard = true;
  entry->dirty = true;
  return ArtifactGrant{entry->id, entry->image, entry->chunk_bytes, entry->filename};
}

bool ActiveTransfers::report(const std::string& device, const Credentials& who, const ProgressReport& progress) {
  if (progress.mismatch || progress.state || progress.percent) return false;
  const MutexLock lock(mutex_);
  auto* entry = believed(device, who, progress.task);
  if (!entry) return false;
  const auto count = entry->change.have.count();
  const auto outside = [count](const ChunkRange& range) { return range.last >= count; };
  if (std::any_of(progress.chunks.begin(), progress.chunks.end(), outside)) return false;
  for (const auto& range : progress.chunks) add(*entry, range, progress.transport);
  entry->change.heard = true;
  entry->change.heard_mqtt |= who.via_broker();
  entry->change.link.merge(progress.link);
  mark_changed(*entry);
  return true;
}

}  // namespace ota::engine
