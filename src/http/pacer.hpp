// Who may send how much of a file now: the caps on all downloads together and on each device.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ota/http/message.hpp"
#include "ota/http/server.hpp"

namespace ota::http {

/// Token buckets, one for all and one for each pace key, and those that wait for their tokens. Of the tokens of all,
/// urgent ones come first; routine ones get 1/16 of them meanwhile, so that none starves. Within a class the keys take
/// turns. Thread-safe; its lock is a leaf. Bounded by the connections and by those who call Server::may_send, each of
/// which asks for one slice at a time; a key is forgotten when nothing of it waits and its bucket is full again.
class Pacer {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Granted = std::function<void(std::size_t)>;

  static constexpr std::chrono::milliseconds kTurn{10};

  /// `wake` is called, on any thread, when the first begins to wait: turn() has to be called each kTurn from then on.
  explicit Pacer(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// All that a connection pays for while nothing limits it.
  bool paced(const Pace& pace = {}) const noexcept { return pace.limit > 0 || paced_.load(std::memory_order_relaxed); }
  void set(const DownloadRates& rates, Time now);
  /// `granted` is called, here or on the thread of turn(), with how many of the `wanted` (> 0) bytes may be sent now.
  void ask(const Pace& pace, std::size_t wanted, Time now, Granted granted);
  /// Hands out what has come in; false where nobody waits any more.
  bool turn(Time now);

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
  struct Lane {
    Bucket bucket;
    std::uint64_t limit = 0;         ///< as its pace was asked with last
    std::deque<Waiting> waiting[2];  ///< routine, urgent
  };
  using Lanes = std::unordered_map<std::uint64_t, Lane>;
  using Ready = std::vector<std::pair<Granted, std::size_t>>;

  /// Of a lane, 0: none.
  std::uint64_t rate(const Lane& lane) const;
  std::size_t slice() const;
  std::size_t slice(const Lane& lane) const;
  void hand_out(Time now, Ready& ready);
  bool pass(bool urgent, std::size_t most, Time now, Ready& ready);
  bool pay(bool urgent, double bytes, Time now);
  void forget_idle(Time now);
  static void tell(Ready& ready);

  const std::function<void()> wake_;
  std::atomic<bool> paced_{false};
  std::mutex mutex_;
  DownloadRates rates_;  // protected by mutex_, as the rest
  Bucket all_;
  Lanes lanes_;
  std::list<std::uint64_t> turns_[2];  ///< keys with something waiting: routine, urgent; whose turn it is first
  double routine_share_ = 0;           ///< bytes that routine ones may have though urgent ones wait
  Time urgent_until_{};                ///< so long an urgent one is expected back
  bool turning_ = false;
};

}  // namespace ota::http
