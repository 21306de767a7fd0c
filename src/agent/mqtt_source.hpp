// Chunks over MQTT (protocol.md, Chunks): asked for by the window, asked for again when they don't come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "agent/chunk_source.hpp"
#include "agent/repeater.hpp"

namespace ota::agent {

/// The broker as this source sees it; both may be called from any thread.
struct ChunkLine {
  std::function<bool()> connected;
  std::function<void(std::string payload)> ask;  ///< publishes to `chunk/get`
};

/// At most kWindow chunks or kWindowBytes are asked for or here and not yet taken; a chunk larger than that by itself.
/// chunk() waits for one chunk as long as a link of kSlowest, or one a quarter as fast as it was seen, may take for it.
class MqttSource final : public ChunkSource {
 public:
  static constexpr std::size_t kWindow = 32;
  static constexpr std::uint64_t kWindowBytes = 1u << 20;
  static constexpr double kSlowest = 4096;  ///< bytes/s
  static constexpr std::chrono::milliseconds kPatience{3'000};
  static constexpr int kPassed = 16;  ///< a chunk that so many overtook is lost, and asked for again

  MqttSource(ChunkLine line, std::string token, const std::atomic<bool>& interrupted)
      : line_(std::move(line)), token_(std::move(token)), interrupted_(interrupted) {}

  Transport transport() const override { return Transport::mqtt; }
  Fetched chunk(const Task& task, std::uint32_t index, const ChunkRanges& ahead) override;
  Fetched manifest(const Task& task) override;

  /// A chunk came; on the MQTT client's thread. What was not asked for is dropped.
  void deliver(std::string_view task, std::uint32_t index, std::string_view payload);
  /// A running chunk(), and each one until calm(), ends as aborted: there is something else to do. Any thread.
  void nudge();
  void calm();

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Asked {
    std::uint32_t index = 0;
    int passed = 0;  // by chunks that were asked for later
  };
  void begin(const Task& task);
  bool asked(std::uint32_t index) const;
  void ask(const Task& task, std::uint32_t index, const ChunkRanges& ahead);
  Fetched take(std::uint32_t index);
  std::chrono::milliseconds patience() const;

  const ChunkLine line_;
  const std::string token_;
  const std::atomic<bool>& interrupted_;

  std::mutex mutex_;  // protects what follows
  std::condition_variable came_;
  std::string task_;
  ChunkGrid grid_;
  std::deque<Asked> asked_;  // in that order, which is about the one they come in
  std::map<std::uint32_t, std::string> here_;
  std::uint64_t here_bytes_ = 0;
  bool came_any_ = false;  // since the last silence
  Time moved_{};           // the last question or chunk
  bool alone_ = false;     // the last question was asked while nothing was on its way
  double rtt_ms_ = 0;      // of that one; 0: not known
  double rate_ = 0;        // bytes/s, smoothed; 0: not known
  bool nudged_ = false;
};

}  // namespace ota::agent
