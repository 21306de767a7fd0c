// Chunks over MQTT (docs/device-protocol.md, Chunks): requested by windows, and again if they don't arrive.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/chunk_source.hpp"
#include "agent/retry_timer.hpp"
#include "ota/base/mutex.hpp"

namespace ota::agent {

/// The functions of the broker connection that this source needs; both may be called from any thread.
struct ChunkLink {
  std::function<bool()> connected;
  std::function<void(std::string payload)> ask;  ///< publishes to `chunk/get`
};

/// At most kWindow chunks or kWindowBytes are requested, or received and not yet used; a larger chunk alone. chunk()
/// waits for one chunk as long as a link of kSlowest, or of a quarter of the measured rate, may need for it. A late
/// chunk (busy machine, interrupted link) is still accepted, and not requested again until chunks that were requested
/// later have arrived, or until kOverdue. To distinguish lost chunks from late ones, only one is requested again; also
/// after a lost connection, because a broker may deliver queued chunks on the next one.
class MqttSource final : public ChunkSource {
 public:
  static constexpr std::size_t kWindow = 32;
  static constexpr std::uint64_t kWindowBytes = 1u << 20;
  static constexpr double kSlowest = 4096;  ///< bytes/s
  static constexpr std::chrono::milliseconds kPatience{3'000};
  static constexpr int kPassed = 16;  ///< a chunk overtaken by this number of others is lost and requested again
  /// How long a chunk may still arrive after the probe chunk has arrived.
  static constexpr std::chrono::milliseconds kSettle{500};
  static constexpr std::chrono::milliseconds kOverdue{12'000};  ///< lost, at the latest

  MqttSource(ChunkLink link, std::string token, const std::atomic<bool>& interrupted)
      : link_(std::move(link)), token_(std::move(token)), interrupted_(interrupted) {}

  Transport transport() const override { return Transport::mqtt; }
  Fetched chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) override;
  Fetched manifest(const Assignment& task) override;

  /// A received chunk that no call waits for, the lowest first.
  std::optional<std::pair<std::uint32_t, Fetched>> take_any(const Assignment& task);
  /// Whether that chunk is requested and may still arrive at the measured rate; over another transport it would arrive
  /// twice.
  bool may_bring(const Assignment& task, std::uint32_t index, Time now);
  /// When there will be something to do: at once where one is here, else when may_bring() ends to be true of one, if
  /// none comes before; nothing where it is true of none.
  std::optional<Time> may_bring_until(const Assignment& task, Time now);

  /// A chunk arrived; on the MQTT client's thread. Unrequested ones are dropped.
  void deliver(std::string_view task, std::uint32_t index, std::string_view payload);
  /// The connection is lost, and chunks in flight are probably lost too. Any thread.
  void lost();
  /// A running chunk(), and each one until resume(), ends as aborted: there is something else to do. Any thread.
  void interrupt();
  void resume();

 private:
  struct Asked {
    std::uint32_t index = 0;
    int passed = 0;              // by chunks that were requested later
    Time lost_at = Time::max();  // unless it arrives before
  };
  bool is_about(const Assignment& task) const OTA_REQUIRES(mutex_) { return task_ == task.id && grid_ == task.grid; }
  void begin(const Assignment& task) OTA_REQUIRES(mutex_);
  std::deque<Asked>::const_iterator question(std::uint32_t index) const OTA_REQUIRES(mutex_);
  bool asked(std::uint32_t index) const OTA_REQUIRES(mutex_) { return question(index) != asked_.end(); }
  void ask(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) OTA_REQUIRES(mutex_);
  void ask_one(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) OTA_REQUIRES(mutex_);
  void ask_now(const Assignment& task, const ChunkRanges& wanted) OTA_REQUIRES(mutex_);
  void forget_asked() OTA_REQUIRES(mutex_);
  void drop_lost(Time now) OTA_REQUIRES(mutex_);
  Time wait_until() const OTA_REQUIRES(mutex_);
  Fetched take(std::uint32_t index) OTA_REQUIRES(mutex_);
  std::chrono::milliseconds patience() const OTA_REQUIRES(mutex_);
  Time overdue(const Asked& one) const OTA_REQUIRES(mutex_);

  const ChunkLink link_;
  const std::string token_;
  const std::atomic<bool>& interrupted_;

  Mutex mutex_;  // held while the MQTT client takes a request, which takes its mutex
  ConditionVariable came_;
  std::string task_ OTA_GUARDED_BY(mutex_);
  ChunkGrid grid_ OTA_GUARDED_BY(mutex_);
  std::deque<Asked> asked_ OTA_GUARDED_BY(mutex_);  // in the order of requests, about the order of arrival
  std::map<std::uint32_t, std::string> here_ OTA_GUARDED_BY(mutex_);
  std::uint64_t here_bytes_ OTA_GUARDED_BY(mutex_) = 0;
  bool came_any_ OTA_GUARDED_BY(mutex_) = false;  // since the last timeout
  bool doubted_ OTA_GUARDED_BY(mutex_) = false;   // none arrived since the last timeout or lost connection
  bool broken_ OTA_GUARDED_BY(mutex_) = false;    // and none was requested since the connection was lost
  // Requested again; when it arrives, earlier requested ones are lost.
  std::optional<std::uint32_t> probe_ OTA_GUARDED_BY(mutex_);
  Time moved_ OTA_GUARDED_BY(mutex_){};        // time of the last request or chunk
  bool alone_ OTA_GUARDED_BY(mutex_) = false;  // the last request was sent while nothing was in flight
  double rtt_ms_ OTA_GUARDED_BY(mutex_) = 0;   // of that request; 0: unknown
  double rate_ OTA_GUARDED_BY(mutex_) = 0;     // bytes/s, smoothed; 0: not known
  bool paused_ OTA_GUARDED_BY(mutex_) = false;
};

}  // namespace ota::agent
