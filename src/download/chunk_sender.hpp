// Chunks over MQTT (docs/device-protocol.md, Chunks): read, verified, and published as fast as the broker accepts them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "download/chunk_windows.hpp"
#include "download/context.hpp"
#include "ota/base/mutex.hpp"

namespace ota::download {

/// Thread-safe; only stop() blocks; no other lock is taken while its lock is held. At most kMaxAheadBytes and one chunk
/// are read and not yet sent; further chunks wait in the devices' windows. With a rate limit, each device acquires the
/// bandwidth for one chunk at a time before it is read, in slices. A chunk that doesn't match its digest is not sent,
/// and its image is quarantined. A lost chunk (no connection, disk threads busy, task ended) is forgotten, because the
/// device requests it again. Sent bytes count as progress of the active transfer; chunks count only when the device
/// reports them, because QoS 0 doesn't confirm delivery.
class ChunkSender {
 public:
  static constexpr std::uint64_t kMaxAheadBytes = 2u << 20;
  static constexpr std::size_t kMaxJobs = 4;  ///< on disk threads

  explicit ChunkSender(Context& context) : context_(context) {}
  ~ChunkSender() { stop(); }

  /// As Service::send_chunks.
  Result<void> send(const DeviceId& device, const ChunkRequest& request, const engine::ChunkGrant& grant);
  /// Stops reading and waits for reads in progress. Call it before the MQTT client is destroyed.
  void stop();

 private:
  Result<void> check(const DeviceId& device, const ChunkRequest& request, const ChunkGrid& grid) const;
  /// Of all chunks of a device: a broker's access list names devices.
  std::string group(const DeviceId& device) const;
  std::string topic(const WantedChunk& chunk) const;
  void pump();
  std::optional<WantedChunk> next_to_allow();
  void pay(const WantedChunk& chunk, std::size_t left);
  void allow(const WantedChunk& chunk);
  std::optional<WantedChunk> begin();
  void read(const WantedChunk& chunk);
  Result<std::string> payload(const WantedChunk& chunk, const firmware::Manifest& digests) const;
  void publish(const WantedChunk& chunk, std::string payload);
  /// A chunk that a disk thread reads. It ends at the latest when its last owner is destroyed.
  struct Reading {
    Reading(ChunkSender& owner, const WantedChunk& wanted) : sender(owner), chunk(wanted) {}
    ~Reading() { end(); }
    void end();
    ChunkSender& sender;
    const WantedChunk chunk;
    bool finished = false;  ///< handed to the MQTT client, which reports when it is written
    bool ended = false;
  };
  void read_done();
  void finish(const WantedChunk& chunk, bool written);

  Context& context_;
  Mutex mutex_;
  ConditionVariable idle_;
  ChunkWindows windows_ OTA_GUARDED_BY(mutex_);
  std::uint64_t ahead_bytes_ OTA_GUARDED_BY(mutex_) = 0;  // selected and not yet sent
  std::size_t jobs_ OTA_GUARDED_BY(mutex_) = 0;
  bool pumping_ OTA_GUARDED_BY(mutex_) = false;     // on one thread at a time
  bool pump_again_ OTA_GUARDED_BY(mutex_) = false;  // requested while pumping
  bool stopped_ OTA_GUARDED_BY(mutex_) = false;
};

}  // namespace ota::download
