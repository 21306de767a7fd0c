#include "engine/attempts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "engine/commands.hpp"
#include "engine/task_service.hpp"
#include "ota/base/backoff.hpp"
#include "ota/domain/download_allowance.hpp"

namespace ota::engine {
namespace {

constexpr int kMismatchesOfAttempt = 3;
constexpr std::size_t kMaxMismatchedChunks = 1'024;  // counted for a task; more fail the attempt at once
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

void Attempts::set_chunks(Task& task, const ChunkBitmap& bitmap) {
  task.chunks_have = bitmap.have();
  service_.rows.unit.put_chunks(task, bitmap);
  service_.transfers().replace_chunks(task.id.number, bitmap, task.chunk_bytes);
  if (auto* run = service_.runs.find(task.id.number)) run->had = bitmap;
}

Answer Attempts::fail(Task& task, const Actor& by, const std::string& reason, std::string detail) {
  task.detail = std::move(detail);
  if (task.attempt >= task.max_attempts) {
    if (auto done = service_.lifecycle.change(task, TaskEvent::attempts_used_up, by, reason); !done)
      return ErrorAnswer{done.error(), task.id};
    return FailedAnswer{task.id, reason, task.attempt};
  }
  ++task.attempt;
  service_.transfers().set_allowance(task.id.number, download_allowance(task));
  ++service_.stats.retries;
  task.percent = 0;  // an attempt begins at its beginning
  service_.transfers().set_percent(task.id.number, 0);
  shrink_layout(task);
  const Backoff backoff{std::chrono::seconds{service_.options().tasks.retry_backoff_s},
                        std::chrono::seconds{service_.options().tasks.retry_backoff_max_s}};
  task.retry_due = service_.now() + backoff.wait(static_cast<unsigned>(task.attempt - 2), service_.random().unit());
  if (auto done = service_.lifecycle.change(task, TaskEvent::attempt_failed, by, reason); !done)
    return ErrorAnswer{done.error(), task.id};
  // One that waited at the gate has no slot, and waits for one again.
  if (task.state == TaskState::queued) return service_.replies.queued(task);
  return service_.replies.retry(task, reason);
}

bool Attempts::at_mismatch_limit(const Task& task, const ChunkRanges& ranges) {
  auto& log = service_.rows.transfer_log();
  if (task.unasked && log.has_lines(task.id.number, kLinesOfStranger)) return true;  // no more of them are logged
  std::map<std::uint32_t, int> counts;
  for (const auto& reported : log.mismatches(task.id.number, task.attempt))
    for (const auto& range : reported)
      for (auto chunk = range.first; chunk <= range.last; ++chunk) {
        if (counts.size() >= kMaxMismatchedChunks && !counts.contains(chunk)) return true;
        ++counts[chunk];
      }
  return std::any_of(ranges.begin(), ranges.end(), [&](const ChunkRange& range) {
    const auto first = counts.lower_bound(range.first);
    const auto last = counts.upper_bound(range.last);
    return std::any_of(first, last, [](const auto& count) { return count.second >= kMismatchesOfAttempt; });
  });
}

void Attempts::chunk_lost(const Task& task) {
  auto* run = service_.runs.find(task.id.number);
  if (!run) return;
  ++run->lost;
  // The next attempt may want them, and is answered without waiting.
  const auto smaller = halved(task.grid());
  if (!smaller || service_.images().find(task.checksum, *smaller)) return;
  auto next = task;
  next.chunk_bytes = *smaller;
  service_.digests.prepare(next, [](TaskService&, bool) {});
}

void Attempts::shrink_layout(Task& task) {
  auto* run = service_.runs.find(task.id.number);
  if (!run) return;
  const bool keeps_losing = std::exchange(run->lost, 0) >= kLostForSmaller;
  const auto smaller = halved(task.grid());
  if (!keeps_losing || !smaller || !service_.images().find(task.checksum, *smaller)) return;
  change_layout(task, {task.size, *smaller});
  ++service_.stats.smaller_grids;
}

void Attempts::change_layout(Task& task, const ChunkGrid& layout) {
  service_.progress.log_run(task);
  const auto have = converted(service_.rows.unit.chunks(task), task.grid(), layout);
  task.chunk_bytes = layout.chunk_bytes;
  set_chunks(task, have);
}

Result<bool> Attempts::follow_layout(Task& task, const Device& device) {
  const auto most = device.max_chunk_bytes.value_or(kMaxChunkBytes);
  if (task.chunk_bytes <= most) return true;
  const auto layout = fit_grid(task.size, task.chunk_bytes, most);
  if (!layout) return image_too_large(device, task.version, task.size);
  if (layout->chunk_bytes == task.chunk_bytes) return true;
  auto smaller = task;
  smaller.chunk_bytes = layout->chunk_bytes;
  if (!service_.digests.ready(smaller)) return false;
  change_layout(task, *layout);
  LogEntry entry;
  entry.kind = "layout";
  entry.by = "device";
  entry.reason = fmt::format("chunks of {} bytes", task.chunk_bytes);
  service_.log(task, std::move(entry));
  service_.lifecycle.save(task);
  return true;
}

}  // namespace ota::engine
