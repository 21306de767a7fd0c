// Chunks over MQTT (protocol.md, Chunks): read, checked, and published as fast as the broker takes them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "download/chunk_windows.hpp"
#include "download/context.hpp"

namespace ota::download {

/// Thread-safe, never waits but in stop(); the lock is a leaf. What is read and has not left yet is bounded by
/// kMaxAheadBytes and one chunk: beyond that devices' windows wait. Under a cap each device pays for one chunk at a
/// time before it is read, a slice at a time. A chunk whose bytes don't have its digest never
/// leaves; its image is set aside. What is lost (the connection broke, the disk threads had no room, the task is over)
/// is forgotten: the device asks again. Sent bytes count on the board, chunks only once the device reports them:
/// nothing at QoS 0 proves that they arrived.
class ChunkSender {
 public:
  static constexpr std::uint64_t kMaxAheadBytes = 2u << 20;
  static constexpr std::size_t kMaxJobs = 4;  ///< on disk threads

  explicit ChunkSender(Context& context) : context_(context) {}
  ~ChunkSender() { stop(); }

  /// As Service::send_chunks.
  Result<void> send(const DeviceId& device, const ChunkRequest& request, const engine::ChunkGrant& grant);
  /// Reads no more, and waits for what is being read. Before the broker's client goes.
  void stop();

 private:
  Result<void> check(const DeviceId& device, const ChunkRequest& request, const ChunkGrid& grid) const;
  std::string topic(const WantedChunk& chunk) const;
  void pump();
  std::optional<WantedChunk> next_to_allow();
  void pay(const WantedChunk& chunk, std::size_t left);
  void allow(const WantedChunk& chunk);
  std::optional<WantedChunk> begin();
  void read(const WantedChunk& chunk);
  Result<std::string> payload(const WantedChunk& chunk, const firmware::Manifest& digests) const;
  void publish(const WantedChunk& chunk, std::string payload);
  /// A chunk that a disk thread reads; ends at the latest with its last owner.
  struct Reading {
    Reading(ChunkSender& owner, const WantedChunk& wanted) : sender(owner), chunk(wanted) {}
    ~Reading() { end(); }
    void end();
    ChunkSender& sender;
    const WantedChunk chunk;
    bool finished = false;  ///< handed to the broker, which says when it has it
    bool ended = false;
  };
  void read_done();
  void finish(const WantedChunk& chunk, bool written);

  Context& context_;
  std::mutex mutex_;
  std::condition_variable idle_;
  ChunkWindows windows_;           // protected by mutex_, as the rest
  std::uint64_t ahead_bytes_ = 0;  // chosen and not yet left
  std::size_t jobs_ = 0;
  bool pumping_ = false;     // on one thread at a time
  bool pump_again_ = false;  // asked for meanwhile
  bool stopped_ = false;
};

}  // namespace ota::download
