// Rate limits of downloads: of all together and of each device.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/http/message.hpp"
#include "ota/http/server.hpp"

namespace ota::http {

/// Token buckets, one for all and one for each bandwidth key, and those that wait for their tokens. Of the tokens of
/// all, urgent ones come first; routine ones get 1/16 of them meanwhile, so that none starves. Within a class the keys
/// take turns. Thread-safe; its lock is a leaf. Bounded by the connections and by those who call Server::may_send, each
/// of which asks for one slice at a time; a key is forgotten when nothing of it waits and its bucket is full again.
class BandwidthLimiter {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Granted = std::function<void(std::size_t)>;

  static constexpr std::chrono::milliseconds kRefillEvery{10};

  /// `wake` is called, on any thread, when the first begins to wait: from then on refill() has to be called each
  /// kRefillEvery.
  explicit BandwidthLimiter(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Whether anything limits that: all that a connection costs while nothing does.
  bool limits(const Bandwidth& bandwidth = {}) const noexcept {
    return bandwidth.limit > 0 || limits_.load(std::memory_order_relaxed);
  }
  void set(const DownloadRates& rates, Time now);
  /// `granted` is called, here or on the thread of refill(), with how many of the `wanted` (> 0) bytes may be sent now.
  void acquire(const Bandwidth& bandwidth, std::size_t wanted, Time now, Granted granted);
  /// Hands out what has come in; false where nobody waits any more.
  bool refill(Time now);

 private:
  struct Bucket {
    double level = 0;  ///< bytes
    Time at{};
    void fill(double rate, Time now, bool awaited);
  };
  struct Waiting {
    std::size_t wanted;
    Granted granted;
  };
  struct Flow {
    Bucket bucket;
    std::uint64_t limit = 0;         ///< as its bandwidth was asked with last
    std::deque<Waiting> waiting[2];  ///< routine, urgent
  };
  using Flows = std::unordered_map<std::uint64_t, Flow>;
  using Ready = std::vector<std::pair<Granted, std::size_t>>;

  /// Of a flow, 0: none.
  std::uint64_t rate(const Flow& flow) const OTA_REQUIRES(mutex_);
  std::size_t slice() const OTA_REQUIRES(mutex_);
  std::size_t slice(const Flow& flow) const OTA_REQUIRES(mutex_);
  void hand_out(Time now, Ready& ready) OTA_REQUIRES(mutex_);
  bool pass(bool urgent, std::size_t most, Time now, Ready& ready) OTA_REQUIRES(mutex_);
  bool take(bool urgent, double bytes, Time now) OTA_REQUIRES(mutex_);
  void forget_idle(Time now) OTA_REQUIRES(mutex_);
  static void tell(Ready& ready);

  const std::function<void()> wake_;
  std::atomic<bool> limits_{false};
  Mutex mutex_;
  DownloadRates rates_ OTA_GUARDED_BY(mutex_);
  Bucket all_ OTA_GUARDED_BY(mutex_);
  Flows flows_ OTA_GUARDED_BY(mutex_);
  /// Keys with something waiting: routine, urgent; whose turn it is first.
  std::list<std::uint64_t> turns_[2] OTA_GUARDED_BY(mutex_);
  /// Bytes that routine ones may have though urgent ones wait.
  double routine_share_ OTA_GUARDED_BY(mutex_) = 0;
  /// So long an urgent one is expected back.
  Time urgent_until_ OTA_GUARDED_BY(mutex_){};
  bool refilling_ OTA_GUARDED_BY(mutex_) = false;
};

}  // namespace ota::http
