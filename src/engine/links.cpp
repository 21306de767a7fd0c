// What the engine makes of devices' links: the order of transports, longer patience, smaller chunks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/commands.hpp"

namespace ota::engine {
namespace {

constexpr Millis kBetweenLooks{1'000};   // at one link
constexpr Millis kThinkAgain{2'000};     // about a transport that brings nothing
constexpr Millis kAfterOrder{10'000};    // so long what comes may have been under way before
constexpr int kPartsOfStall = 3;         // a transport gets a third of the stall timeout
constexpr double kChunksOfPatience = 3;  // slow: the time of so many chunks is no stall
constexpr Millis kMostPatience = std::chrono::minutes{15};
constexpr std::uint32_t kLostForSmaller = 2;

/// The same chunks in another layout of the image: those of which all is there.
ChunkBitmap converted(const ChunkBitmap& have, const ChunkGrid& from, const ChunkGrid& to) {
  ChunkBitmap converted{to.count()};
  for (std::uint32_t i = 0; i < to.count(); ++i) {
    const auto first = static_cast<std::uint32_t>(to.offset(i) / from.chunk_bytes);
    const auto last = static_cast<std::uint32_t>((to.offset(i) + to.length(i) - 1) / from.chunk_bytes);
    bool all = true;
    for (auto old = first; all && old <= last; ++old) all = have.test(old);
    if (all) converted.set({i, i});
  }
  return converted;
}

}  // namespace

void Ledger::begin_run(const Task& task) {
  auto device = find_device(task.device);
  auto have = chunks(task);
  note_new_run(task, device, have);
  show(task, device, std::move(have));
}

void Ledger::note_new_run(const Task& task, std::optional<Device> device, ChunkBitmap had) {
  TransferRun run;
  run.had = std::move(had);
  run.since = run.moved = run.told = now_;
  if (device) {
    auto& until = device->quality.mqtt_first_until;
    if (until > Millis{0} && until <= now_) {
      until = Millis{0};
      save(*device);
    }
    run.rate = device->quality.rate.value_or(0);
    run.mqtt_first_until = until;
    if (device->quality.verdict == LinkVerdict::poor) run.uplink = device->uplink();
  }
  if (!run.uplink.empty()) ++uplinks_[run.uplink];
  runs_[task.id.number] = std::move(run);
}

void Ledger::end_run(const Task& task) {
  board_.close(task.id.number);
  const auto run = runs_.find(task.id.number);
  if (run == runs_.end()) return;
  const auto uplink = std::move(run->second.uplink);
  runs_.erase(run);
  if (uplink.empty()) return;
  if (const auto places = uplinks_.find(uplink); places != uplinks_.end() && --places->second <= 0)
    uplinks_.erase(places);
  if (auto next = devices.first_held(uplink)) touch(*next);
}

void Ledger::note_trouble(const std::string& id, LinkTrouble trouble) {
  auto device = find_device(id);
  if (!device) return;
  device->quality.add(trouble, now_);
  device->quality.judge(device->link, now_);
  save(*device);
}

void Ledger::note_lost(const Task& task) {
  const auto run = runs_.find(task.id.number);
  if (run == runs_.end()) return;
  ++run->second.lost;
  // The next attempt may want them, and is answered without waiting.
  const auto smaller = halved(task.grid());
  if (!smaller || images_.find(task.checksum, *smaller)) return;
  auto next = task;
  next.chunk_bytes = *smaller;
  with_grid(next, [](Ledger&, bool) {});
}

void Ledger::shrink_grid(Task& task) {
  const auto run = runs_.find(task.id.number);
  if (run == runs_.end()) return;
  const bool keeps_losing = std::exchange(run->second.lost, 0) >= kLostForSmaller;
  const auto smaller = halved(task.grid());
  if (!keeps_losing || !smaller || !images_.find(task.checksum, *smaller)) return;
  change_layout(task, {task.size, *smaller});
  ++stats.smaller_grids;
}

void Ledger::change_layout(Task& task, const ChunkGrid& layout) {
  close_run(task);
  const auto have = converted(chunks(task), task.grid(), layout);
  task.chunk_bytes = layout.chunk_bytes;
  set_chunks(task, have);
}

Result<bool> Ledger::follow_layout(Task& task, const Device& device) {
  const auto most = device.max_chunk_bytes.value_or(kMaxChunkBytes);
  if (task.chunk_bytes <= most) return true;
  const auto layout = fit_grid(task.size, task.chunk_bytes, most);
  if (!layout) return image_too_large(device, task.version, task.size);
  if (layout->chunk_bytes == task.chunk_bytes) return true;
  auto smaller = task;
  smaller.chunk_bytes = layout->chunk_bytes;
  if (!grid_ready(smaller)) return false;
  change_layout(task, *layout);
  LogEntry entry;
  entry.kind = "layout";
  entry.by = "device";
  entry.reason = fmt::format("chunks of {} bytes", task.chunk_bytes);
  log(task, std::move(entry));
  save(task);
  return true;
}

Millis Ledger::stall_time(const Task& task) const {
  const Millis least = std::chrono::seconds{options_.tasks.stall_timeout_s};
  const auto run = runs_.find(task.id.number);
  if (run == runs_.end() || run->second.rate <= 0) return least;
  const double needed = kChunksOfPatience * 1'000.0 * task.chunk_bytes / run->second.rate;
  const auto most = static_cast<double>(std::max(least, kMostPatience).count());
  return std::max(least, Millis{std::llround(std::min(needed, most))});
}

void Ledger::note_link(const Task& task, Device& device, const TransferChange& change) {
  auto& run = runs_[task.id.number];
  auto& quality = device.quality;
  if (change.heard_mqtt) quality.mqtt_heard = now_;
  quality.see(change.line);
  // What the line itself says is better than how fast bytes were handed over.
  if (change.line.rate)
    run.rate = quality.rate.value_or(0);
  else if (change.rate > 0)
    run.rate = run.rate > 0 ? std::min(run.rate, change.rate) : change.rate;
  for (std::uint32_t i = 0; i < std::min(change.broken, 3u); ++i) quality.add(LinkTrouble::broken, now_);
  if (now_ - run.judged >= kBetweenLooks) {
    run.judged = now_;
    quality.judge(device.link, now_);
  }
  note_transport(device, run, change);
}

/// A device that changes over by itself knows best.
void Ledger::note_transport(Device& device, TransferRun& run, const TransferChange& change) {
  if (change.fresh == 0 || !change.transport) return;
  auto& until = device.quality.mqtt_first_until;
  if (*change.transport == Transport::http) {
    if (until > Millis{0} && now_ - run.told >= kAfterOrder) until = Millis{0};
  } else if (until == Millis{0} && device.transport == Transport::http) {
    until = now_ + kMqttFirst;
  }
  run.mqtt_first_until = until;
}

void Ledger::watch_transports() {
  std::vector<std::int64_t> ripe;
  const Millis part = std::chrono::seconds{options_.tasks.stall_timeout_s} / kPartsOfStall;
  for (auto& [number, run] : runs_) {
    const bool idle = now_ - std::max(run.moved, run.told) >= part;
    const bool over = run.mqtt_first_until > Millis{0} && now_ >= run.mqtt_first_until;
    if (!(idle || over || run.broken > 0) || now_ - run.looked < kThinkAgain) continue;
    run.looked = now_;
    ripe.push_back(number);
  }
  for (const auto number : ripe) {
    auto task = load(number);
    if (!task || (task->state != TaskState::downloading && task->state != TaskState::offered)) continue;
    auto device = find_device(task->device);
    const auto& run = runs_[number];
    // A slow link's part is longer, as its stall is.
    const auto wanted =
        device ? recommend(run, device->quality, now_, stall_time(*task) / kPartsOfStall) : Recommend::as_before;
    if (wanted == Recommend::as_before || transports(*task, device).size() < 2) continue;
    const bool over = wanted == Recommend::http_first && now_ >= device->quality.mqtt_first_until;
    order_transport(*task, *device, wanted, over ? "tried again" : run.broken > 0 ? "broken" : "stalled");
    push(task->device, offer(*task));
  }
}

void Ledger::order_transport(Task& task, Device& device, Recommend wanted, const std::string& reason) {
  const bool mqtt = wanted == Recommend::mqtt_first;
  const auto usable = transports(task, device);
  auto& until = device.quality.mqtt_first_until;
  if (usable.size() < 2 || (mqtt ? until > now_ : until == Millis{0})) return;
  auto& run = runs_[task.id.number];
  run.mqtt_first_until = until = mqtt ? now_ + kMqttFirst : Millis{0};
  save(device);
  run.told = now_;
  run.broken = 0;
  ++stats.transport_orders;
  LogEntry entry;
  entry.kind = "transport";
  entry.by = "engine";
  entry.event = "recommended";
  entry.reason = reason;
  entry.transport = mqtt ? Transport::mqtt : Transport::http;
  log(task, std::move(entry));
}

std::vector<Transport> Ledger::transports(const Task& task, const std::optional<Device>& device) const {
  auto order = device ? device->transports : std::vector<Transport>{};
  if (order.empty()) order = {Transport::http, Transport::mqtt};
  if (task.chunk_bytes > kMaxMqttChunkBytes) std::erase(order, Transport::mqtt);
  if (order.empty()) order = {Transport::http};
  if (device && device->quality.mqtt_first_until > now_)
    std::stable_partition(order.begin(), order.end(), [](Transport t) { return t == Transport::mqtt; });
  return order;
}

}  // namespace ota::engine
