// What moved since the last look, written down.
#include <fmt/format.h>

#include <algorithm>

#include "engine/ledger.hpp"
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

void Ledger::catch_up(Task& task) {
  if (!holds_slot(task.state)) return;
  if (const auto change = board_.collect(task.id.number)) merge(task, *change);
}

void Ledger::merge(Task& task, const TransferChange& change) {
  if (change.have.count() != task.grid().count()) {  // a new grid was undone with its command
    end_run(task);
    begin_run(task);
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
    tasks.save_chunks(task, change.have);
    if (task.state == TaskState::downloading && !believed) return save(task);
    // Refused by no row of the table: the task holds a slot.
    static_cast<void>(this->change(task, TaskEvent::chunk, by_device()));
    return;
  }
  const bool slow = moved && change.bytes_since_new < kPatience * task.chunk_bytes;
  const bool offer_lives = task.state == TaskState::offered && (change.heard || change.bytes_fresh > 0);
  const bool download_lives = task.state == TaskState::downloading && (slow || further);
  if (download_lives && (further || brought)) task.stalls = 0;
  if (offer_lives || download_lives) arm(task);
  save(task);
}

void Ledger::note_run(const Task& task, const TransferChange& change) {
  auto& run = runs_[task.id.number];
  const bool switched = run.transport && change.transport && *run.transport != *change.transport;
  if (switched) {
    ++stats.transport_switches;
    close_run(task);
    LogEntry entry;
    entry.kind = "transport";
    entry.by = "device";
    entry.transport = change.transport;
    log(task, std::move(entry));
  }
  if (change.fresh > 0) run.broken = 0;
  const bool moved = change.bytes_fresh > 0 || change.line.acked > 0 || change.percent > task.percent;
  if (change.fresh > 0 || moved) run.moved = now_;
  run.broken += change.broken;
  run.lost += change.broken;
  if (run.bytes == 0 && change.bytes_fresh > 0) run.since = now_;
  run.bytes += change.bytes_fresh;
  if (change.transport) run.transport = change.transport;
}

void Ledger::note_repeats(const Task& task) {
  const auto run = runs_.find(task.id.number);
  if (run == runs_.end() || task.bytes_sent < 2 * run->second.repeats_told) return;
  run->second.repeats_told = task.bytes_sent;
  LogEntry entry;
  entry.kind = "repeats";
  entry.by = "device";
  entry.bytes = task.bytes_sent;
  log(task, std::move(entry));
  after_commit([line = fmt::format("device={} task={} fetched {} bytes of an image of {}, the same over and over: its "
                                   "downloads are slowed to {} bytes/s; look at its client",
                                   task.device, task.id.str(), task.bytes_sent, task.size, kRepeatedDownloadRate)] {
    log::warn(line);
  });
}

void Ledger::note_device(const Task& task, const TransferChange& change) {
  auto device = find_device(task.device);
  if (!device) return;
  device->link.merge(change.link);
  note_link(task, *device, change);
  if (change.transport) device->transport = change.transport;
  const bool there = change.heard || change.bytes_fresh > 0 || change.line.acked > 0;
  if (!there) return save(*device);
  if (device->present_until_tl <= now_) return heard(*device);  // back by a download alone
  device->last_seen = wall_;
  device->present_until_tl = now_ + std::chrono::seconds{options_.devices.present_s};
  save(*device);
}

void Ledger::close_run(const Task& task) {
  const auto found = runs_.find(task.id.number);
  if (found == runs_.end()) return;
  auto& run = found->second;
  auto have = chunks(task);
  auto ranges = gained(run.had, have);
  if (ranges.empty() && run.bytes == 0) return;
  LogEntry entry;
  entry.kind = "chunks";
  entry.by = "device";
  entry.chunks = std::move(ranges);
  entry.bytes = run.bytes;
  entry.ms = (now_ - run.since).count();
  entry.transport = run.transport;
  log(task, std::move(entry));
  run.had = std::move(have);
  run.bytes = 0;
  run.since = now_;
}

void Ledger::flush_board() {
  for (const auto number : board_.changed()) {
    const auto task = load(number);
    const auto run = runs_.find(number);
    if (task && run != runs_.end() && run->second.bytes > 0 && now_ - run->second.since >= kRunLine) close_run(*task);
  }
  watch_transports();
}

}  // namespace ota::engine
