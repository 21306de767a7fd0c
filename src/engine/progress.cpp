#include "engine/progress.hpp"

#include <fmt/format.h>


#include "engine/task_service.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/download_allowance.hpp"

namespace ota::engine {
namespace {

constexpr Millis kRunLine{30'000};            // a long run gets a line of the log that often
constexpr std::size_t kMaxRangesOfLine = 64;  // more are left out of the line, its bytes still count
constexpr std::uint64_t kPatience = 8;        // chunks' worth of bytes without a new one: slow, not stuck

ChunkRanges gained(const ChunkBitmap& before, const ChunkBitmap& now) {
  ChunkRanges ranges;
  for (std::uint32_t i = 0; i < now.count(); ++i) {
    if (!now.test(i) || (i < before.count() && before.test(i))) continue;
    if (!ranges.empty() && ranges.back().last + 1 == i) {
      ranges.back().last = i;
    } else {
      if (ranges.size() == kMaxRangesOfLine) break;
      ranges.push_back({i, i});
    }
  }
  return ranges;
}

}  // namespace

void Progress::stalled(Task& task) {
  if (task.stalls == 0) {
    task.stalls = 1;
    task.heard = false;
    service_.transports.note_trouble(task.device, LinkTrouble::stall);
    service_.attempts.chunk_lost(task);
    // A device that sits in a dead download says nothing: that it spoke over MQTT not long ago is enough.
    auto device = service_.registry.find(task.device);
    if (device && service_.now() - device->quality.mqtt_heard < service_.transports.stall_time(task) * 2)
      service_.transports.order(task, *device, Recommend::mqtt_first, "stalled");
    service_.timers.arm(task);
    service_.lifecycle.save(task);
    LogEntry entry;
    entry.kind = "retry";
    entry.by = "timer";
    entry.reason = "stalled";
    service_.log(task, std::move(entry));
    service_.push(task.device, service_.replies.retry(task, "stalled"));
  } else if (task.heard) {
    service_.push(task.device, service_.attempts.fail(task, by_timer(), "stalled"));
  } else {
    task.parked = true;
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::device_silent, by_timer(), "stalled"));
  }
}

void Progress::collect(Task& task) {
  if (!holds_slot(task.state)) return;
  if (const auto change = service_.transfers().collect(task.id.number)) merge(task, *change);
  service_.actions.image_sent(task);
}

void Progress::merge(Task& task, const TransferChange& change) {
  if (change.have.count() != task.grid().count()) {  // a new grid was undone with its command
    service_.runs.end(task);
    service_.runs.begin(task);
    return;
  }
  note_run(task, change);
  const bool moved = change.bytes_fresh > 0 || change.line.acked > 0;
  // Where nobody stands behind task and device, what the device says is no evidence: bytes from here are.
  const bool believed = moved || !task.unasked;
  if (change.heard || moved || change.broken > 0) note_device(task, change);
  const bool further = change.percent > task.percent && believed;
  task.bytes_sent = change.bytes_sent;
  task.percent = change.percent;  // also a smaller one: it began again
  task.heard |= change.heard;
  if (task.bytes_sent > download_allowance(task)) note_repeats(task);
  // Where what was written of them was undone, none is fresh any more. A client that fetches by ranges may never bring
  // a whole chunk: its first bytes begin the download too.
  const bool brought = change.bytes_new > 0;
  const bool begins = brought && task.state != TaskState::downloading;
  if (change.fresh > 0 || begins || change.have.have() != task.chunks_have) {
    task.chunks_have = change.have.have();
    service_.rows.unit.put_chunks(task, change.have);
    if (task.state == TaskState::downloading && !believed) return service_.lifecycle.save(task);
    // Refused by no row of the table: the task holds a slot.
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::chunk, by_device()));
    return;
  }
  const bool slow = moved && change.bytes_since_new < kPatience * task.chunk_bytes;
  const bool offer_lives = task.state == TaskState::offered && (change.heard || change.bytes_fresh > 0);
  const bool download_lives = task.state == TaskState::downloading && (slow || further);
  if (download_lives && (further || brought)) task.stalls = 0;
  if (offer_lives || download_lives) service_.timers.arm(task);
  service_.lifecycle.save(task);
}

void Progress::note_run(const Task& task, const TransferChange& change) {
  auto& run = service_.runs.of(task.id.number);
  const bool switched = run.transport && change.transport && *run.transport != *change.transport;
  if (switched) {
    ++service_.stats.transport_switches;
    log_run(task);
    LogEntry entry;
    entry.kind = "transport";
    entry.by = "device";
    entry.transport = change.transport;
    service_.log(task, std::move(entry));
  }
  if (change.fresh > 0) run.broken = 0;
  const bool moved = change.bytes_fresh > 0 || change.line.acked > 0 || change.percent > task.percent;
  if (change.fresh > 0 || moved) run.moved = service_.now();
  run.broken += change.broken;
  run.lost += change.broken;
  if (run.bytes == 0 && change.bytes_fresh > 0) run.since = service_.now();
  run.bytes += change.bytes_fresh;
  if (change.transport) run.transport = change.transport;
}

void Progress::note_repeats(const Task& task) {
  auto* run = service_.runs.find(task.id.number);
  if (!run || task.bytes_sent < 2 * run->repeats_told) return;
  run->repeats_told = task.bytes_sent;
  LogEntry entry;
  entry.kind = "repeats";
  entry.by = "device";
  entry.bytes = task.bytes_sent;
  service_.log(task, std::move(entry));
  auto line = fmt::format(
      "device={} task={} downloaded {} bytes for an image of {} bytes, the same data repeatedly: its downloads are "
      "limited to {} bytes/s; check its client",
      task.device, task.id.str(), task.bytes_sent, task.size, kRepeatedDownloadRate);
  service_.after_commit([line = std::move(line)] { log::warn(line); });
}

void Progress::note_device(const Task& task, const TransferChange& change) {
  auto device = service_.registry.find(task.device);
  if (!device) return;
  device->link.merge(change.link);
  service_.transports.note_link(task, *device, change);
  if (change.transport) device->transport = change.transport;
  const bool there = change.heard || change.bytes_fresh > 0 || change.line.acked > 0;
  if (!there) return service_.rows.unit.put(*device);
  // Back by a download alone.
  if (device->present_until_tl <= service_.now()) return service_.registry.mark_seen(*device);
  service_.registry.note_contact(*device);
}

void Progress::log_run(const Task& task) {
  auto* run = service_.runs.find(task.id.number);
  if (!run) return;
  auto have = service_.rows.unit.chunks(task);
  auto ranges = gained(run->had, have);
  if (ranges.empty() && run->bytes == 0) return;
  LogEntry entry;
  entry.kind = "chunks";
  entry.by = "device";
  entry.chunks = std::move(ranges);
  entry.bytes = run->bytes;
  entry.ms = (service_.now() - run->since).count();
  entry.transport = run->transport;
  service_.log(task, std::move(entry));
  run->had = std::move(have);
  run->bytes = 0;
  run->since = service_.now();
}

void Progress::flush() {
  for (const auto number : service_.transfers().changed()) {
    const auto task = service_.lifecycle.load(number);
    const auto* run = service_.runs.find(number);
    if (task && run && run->bytes > 0 && service_.now() - run->since >= kRunLine) log_run(*task);
  }
  service_.transports.watch();
  service_.registry.note_idle_polls();
}

}  // namespace ota::engine
