// Which chunks devices wait for over MQTT, and whose turn it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"

namespace ota::download {

struct WantedChunk {
  DeviceId device;
  TaskId task;
  Digest image{};
  ChunkGrid grid;
  std::uint32_t index = 0;

  std::uint32_t bytes() const noexcept { return grid.length(index); }
};

/// One window a device: what it was promised and what has not left yet. A chunk waits until the caps allow for it, of a
/// device one at a time, and then for its turn. Devices take turns by bytes (deficit round robin), so that neither many
/// requests nor large chunks bring one of them more than its share. Holds no bytes of images. Not thread-safe.
class ChunkWindows {
 public:
  static constexpr std::size_t kMaxChunks = 32;  ///< of a device (protocol.md, Chunks)
  static constexpr std::uint64_t kMaxBytes = kMaxMqttChunkBytes;
  static constexpr std::size_t kMaxDevices = 4096;  ///< with something outstanding
  static constexpr std::int64_t kTurnBytes = 64 << 10;

  /// Takes the first of these chunks that fit into the device's window; those that are in it already are passed over.
  /// `wanted.index` is not looked at, the ranges must lie in the grid. False where there are too many devices.
  bool take(const WantedChunk& wanted, const ChunkRanges& ranges);
  /// One that is to be allowed for; no other of its device before allow() was called for it.
  std::optional<WantedChunk> next_to_allow();
  /// It may leave as far as caps go.
  void allow(const WantedChunk& chunk);
  /// The chunk whose turn it is, of those allowed; it stays in its window until done().
  std::optional<WantedChunk> next();
  /// It left, or won't.
  void done(const WantedChunk& chunk);

  std::size_t devices() const noexcept { return windows_.size(); }
  /// Chunks that next() will answer.
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  struct Window {
    std::deque<WantedChunk> held;  // not allowed yet
    std::deque<WantedChunk> waiting;
    std::set<std::pair<std::int64_t, std::uint32_t>> outstanding;  // task and index, held, waiting or on their way
    std::uint64_t bytes = 0;                                       // of those
    std::int64_t credit = 0;                                       // below zero: what it had beyond its share
    bool in_turns = false;
  };
  void end_turns(const DeviceId& device);  // which is at the front
  std::map<DeviceId, Window> windows_;     // only of devices with something outstanding, or to be paid for
  std::deque<DeviceId> to_allow_;          // of devices with something held that nobody was asked about
  std::deque<DeviceId> turns_;             // of devices with something waiting, or to be paid for
  std::size_t waiting_ = 0;
};

}  // namespace ota::download
