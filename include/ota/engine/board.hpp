// What moves between two commits: which chunks went to whom, how fast. In memory; the engine writes it down each second.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/messages.hpp"

namespace ota::engine {

/// How a transfer stands now.
struct TransferView {
  std::uint32_t chunks_have = 0;
  std::uint64_t bytes_sent = 0;   ///< since the task was made
  double rate = 0;                ///< bytes/s, smoothed
  int percent = 0;                ///< as a device that doesn't know chunks says
  std::optional<Transport> transport;
};

/// One entry for each task that holds a slot, so at most `tasks.max_active`. Thread-safe; its lock is a leaf.
class TransferBoard {
 public:
  /// `wake` is called, on the caller's thread, when a task that was quiet begins to move.
  TransferBoard(const Clock& clock, std::function<void()> wake);

  /// The chunk path's check: may this task download now, without asking the engine?
  bool active(std::int64_t task) const;
  /// Chunks arrived (or were handed to the kernel whole). Unknown tasks and chunks past the grid are passed over.
  void chunks(std::int64_t task, const ChunkRange& range, Transport transport);
  /// Bytes went out.
  void bytes(std::int64_t task, std::uint64_t count);
  std::optional<TransferView> view(std::int64_t task) const;

  // The engine's side.

  struct Change {
    std::int64_t task = 0;
    ChunkBitmap have;
    std::uint32_t fresh = 0;        ///< chunks that were new since the last collection
    std::uint64_t bytes_sent = 0;   ///< total
    std::uint64_t bytes_fresh = 0;  ///< since the last collection
    std::optional<Transport> transport;
    int percent = 0;
  };
  void open(std::int64_t task, ChunkBitmap have, std::uint64_t bytes_sent);
  void close(std::int64_t task);
  void clear_chunks(std::int64_t task, const ChunkRanges& ranges);
  void set_percent(std::int64_t task, int percent);
  /// What changed since the last call, for one task or for all.
  std::optional<Change> collect(std::int64_t task);
  std::vector<Change> collect_all();

 private:
  struct Entry {
    ChunkBitmap have;
    std::uint32_t fresh = 0;
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_fresh = 0;
    std::optional<Transport> transport;
    int percent = 0;
    bool dirty = false;
    double rate = 0;
    Millis rate_since{0};
    std::uint64_t rate_bytes = 0;
  };
  Change take(std::int64_t task, Entry& entry);
  void touch(Entry& entry, bool& wake);

  const Clock& clock_;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, Entry> entries_;  // protected by mutex_
};

}  // namespace ota::engine
