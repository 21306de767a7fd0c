// Chunks over MQTT (protocol.md, Chunks): asked for by the window, asked for again when they don't come.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/chunk_source.hpp"
#include "agent/retry_timer.hpp"

namespace ota::agent {

/// The broker as this source sees it; both may be called from any thread.
struct ChunkLine {
  std::function<bool()> connected;
  std::function<void(std::string payload)> ask;  ///< publishes to `chunk/get`
};

/// At most kWindow chunks or kWindowBytes are asked for or here and not yet taken; a chunk larger than that by itself.
/// chunk() waits for one chunk as long as a link of kSlowest, or one a quarter as fast as it was seen, may take for it.
/// What was asked for may come after that, from a machine that has no time or over a line that was cut for a while: it
/// is taken, and not asked for again, until chunks that were asked for later came instead, or it is overdue for good.
/// To tell lost ones from late ones, one alone is asked for again; so too where the connection broke, for a broker may
/// keep what was on its way for the next one.
class MqttSource final : public ChunkSource {
 public:
  static constexpr std::size_t kWindow = 32;
  static constexpr std::uint64_t kWindowBytes = 1u << 20;
  static constexpr double kSlowest = 4096;  ///< bytes/s
  static constexpr std::chrono::milliseconds kPatience{3'000};
  static constexpr int kPassed = 16;  ///< a chunk that so many overtook is lost, and asked for again
  /// How long a chunk may still come once one came that was asked for twice to find out.
  static constexpr std::chrono::milliseconds kSettle{500};
  static constexpr std::chrono::milliseconds kOverdue{12'000};  ///< beyond all patience: lost, at the latest

  MqttSource(ChunkLine line, std::string token, const std::atomic<bool>& interrupted)
      : line_(std::move(line)), token_(std::move(token)), interrupted_(interrupted) {}

  Transport transport() const override { return Transport::mqtt; }
  Fetched chunk(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead) override;
  Fetched manifest(const Assignment& task) override;

  /// One that came and nobody waited for, the lowest first.
  std::optional<std::pair<std::uint32_t, Fetched>> take_any(const Assignment& task);
  /// Whether that chunk was asked for and may come yet, at the rate that was seen: by another way it would come twice.
  bool may_bring(const Assignment& task, std::uint32_t index, Time now);
  /// When there will be something to do: at once where one is here, else when may_bring() ends to be true of one, if
  /// none comes before; nothing where it is true of none.
  std::optional<Time> may_bring_until(const Assignment& task, Time now);

  /// A chunk came; on the MQTT client's thread. What was not asked for is dropped.
  void deliver(std::string_view task, std::uint32_t index, std::string_view payload);
  /// The connection broke, and what was on its way is probably lost. Any thread.
  void lost();
  /// A running chunk(), and each one until resume(), ends as aborted: there is something else to do. Any thread.
  void interrupt();
  void resume();

 private:
  using Lock = std::unique_lock<std::mutex>;
  struct Asked {
    std::uint32_t index = 0;
    int passed = 0;              // by chunks that were asked for later
    Time lost_at = Time::max();  // unless it comes before
  };
  bool is_about(const Assignment& task) const { return task_ == task.id && grid_ == task.grid; }
  void begin(const Assignment& task);
  std::deque<Asked>::const_iterator question(std::uint32_t index) const;
  bool asked(std::uint32_t index) const { return question(index) != asked_.end(); }
  void ask(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead);
  void ask_one(const Assignment& task, std::uint32_t index, const ChunkRanges& ahead);
  void ask_now(const Assignment& task, const ChunkRanges& wanted);
  void forget_asked();
  void drop_lost(Time now);
  Time wait_until() const;
  Fetched take(std::uint32_t index);
  std::chrono::milliseconds patience() const;
  Time overdue(const Asked& one) const;

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
  bool came_any_ = false;               // since the last silence
  bool doubted_ = false;                // none came since chunk() waited in vain or the connection broke
  bool broken_ = false;                 // and none was asked for since it broke
  std::optional<std::uint32_t> probe_;  // asked for again; once it came, what was asked for before it is lost
  Time moved_{};                        // the last question or chunk
  bool alone_ = false;                  // the last question was asked while nothing was on its way
  double rtt_ms_ = 0;                   // of that one; 0: not known
  double rate_ = 0;                     // bytes/s, smoothed; 0: not known
  bool nudged_ = false;
};

}  // namespace ota::agent
