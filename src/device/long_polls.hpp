// Devices that wait on `GET /ota/{id}/next` for what the engine pushes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace ota::device {

/// The payload that was pushed; nothing where the wait ended without one.
using PollDone = std::function<void(std::optional<std::string>)>;
/// The payload with the URLs that a poll's device can use.
using PayloadFor = std::function<std::string(const std::string& base)>;

/// One poll a device: a newer one ends the older. At most kMaxPolls; one more is refused. Each `done` is called once,
/// outside the lock, on the thread that ends the poll. Thread-safe.
class LongPolls {
 public:
  static constexpr std::size_t kMaxPolls = 4096;
  static constexpr std::size_t kMaxKept = 1024;

  /// The poll's number, for close(); nothing where there are too many or after stop(), and then `done` is not called.
  /// `base`: what a payload for this poll is made with.
  std::optional<std::uint64_t> open(const std::string& device, std::string base, PollDone done);
  /// Ends that poll without a payload, if it still waits.
  void close(const std::string& device, std::uint64_t poll);
  bool waits(const std::string& device) const;
  /// To the device that waits. Without one, what is `kept` goes to the device's next poll: the last one a device, at
  /// most kMaxKept of them, of which the oldest go first; it is made with an empty base. What isn't kept voids what
  /// was.
  void deliver(const std::string& device, const PayloadFor& payload, bool kept);
  /// What was kept for the device no longer holds.
  void forget_kept(const std::string& device);
  /// Ends all and takes no more.
  void stop();

 private:
  struct Poll {
    std::uint64_t number = 0;
    std::string base;
    PollDone done;
  };
  std::optional<std::string> take_kept(const std::string& device);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Poll> polls_;           // protected by mutex_, as the rest
  std::deque<std::pair<std::string, std::string>> kept_;  // device and payload, oldest first
  std::uint64_t last_ = 0;
  bool stopped_ = false;
};

}  // namespace ota::device
