// Which chunks devices requested over MQTT, and the order in which they are sent.
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

/// One window for each device: its chunks that were accepted and not yet sent. A chunk first waits for the rate limits,
/// one chunk of a device at a time, then in the queue. Devices are served by deficit round robin, so that neither many
/// requests nor large chunks give a device more than its fair share. Holds no bytes of images. Not thread-safe.
class ChunkWindows {
 public:
  static constexpr std::size_t kMaxChunks = 32;  ///< for each device (docs/device-protocol.md, Chunks)
  static constexpr std::uint64_t kMaxBytes = kMaxMqttChunkBytes;
  static constexpr std::size_t kMaxDevices = 4096;  ///< with outstanding chunks
  static constexpr std::int64_t kTurnBytes = 64 << 10;

  /// Adds the first of these chunks that fit into the device's window, and skips those that are in it already.
  /// Precondition: the ranges are within the chunk layout; `wanted.index` is not used. False: too many devices.
  bool take(const WantedChunk& wanted, const ChunkRanges& ranges);
  /// The next chunk that needs bandwidth; no other of the same device until allow() was called for it.
  std::optional<WantedChunk> next_to_allow();
  /// The rate limits permit to send the chunk.
  void allow(const WantedChunk& chunk);
  /// The next chunk to send, of those allowed. It stays in its window until done().
  std::optional<WantedChunk> next();
  /// The chunk was sent or dropped.
  void done(const WantedChunk& chunk);

  std::size_t devices() const noexcept { return windows_.size(); }
  /// Number of chunks that next() can return.
  std::size_t waiting() const noexcept { return waiting_; }

 private:
  struct Window {
    std::deque<WantedChunk> held;  // wait for allow()
    std::deque<WantedChunk> waiting;
    std::set<std::pair<std::int64_t, std::uint32_t>> outstanding;  // task and index: held, waiting or in flight
    std::uint64_t bytes = 0;                                       // of those
    std::int64_t credit = 0;                                       // below zero: bytes sent beyond its share
    bool in_turns = false;
  };
  void end_turns(const DeviceId& device);  // precondition: `device` is at the front
  std::map<DeviceId, Window> windows_;     // of devices with outstanding chunks or negative credit
  std::deque<DeviceId> to_allow_;          // devices whose held chunks wait for next_to_allow()
  std::deque<DeviceId> turns_;             // devices with waiting chunks or negative credit
  std::size_t waiting_ = 0;
};

}  // namespace ota::download
