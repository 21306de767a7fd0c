// Long polls: devices that wait on `GET /ota/{id}/next` for messages that the engine pushes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "ota/base/mutex.hpp"

namespace ota::device {

/// The pushed payload; nothing if the poll ended without one.
using PollDone = std::function<void(std::optional<std::string>)>;
/// Makes the payload, with URLs that the poll's device can reach.
using PayloadFor = std::function<std::string(const std::string& base)>;

/// One poll for each device: a newer one ends the older. Beyond kMaxPolls a poll is refused. Each `done` is called
/// once, without the lock, on the thread that ends the poll. Thread-safe.
class LongPolls {
 public:
  static constexpr std::size_t kMaxPolls = 4096;
  static constexpr std::size_t kMaxKept = 1024;

  /// The poll's number, for close(); nothing if there are too many or after stop(), and then `done` is not called.
  /// `base`: base of the URLs in a payload for this poll.
  std::optional<std::uint64_t> open(const std::string& device, std::string base, PollDone done);
  /// Ends that poll without a payload, if it still waits.
  void close(const std::string& device, std::uint64_t poll);
  bool waits(const std::string& device) const;
  /// Sends the payload to the open poll of the device. Without one, a payload with `kept` is stored for its next poll:
  /// the last one of each device, made with an empty base; beyond kMaxKept the oldest are dropped. A payload without
  /// `kept` removes the stored one.
  void deliver(const std::string& device, const PayloadFor& payload, bool kept);
  /// Removes the payload that is stored for the device.
  void forget_kept(const std::string& device);
  /// Ends all polls and refuses further ones.
  void stop();

 private:
  struct Poll {
    std::uint64_t number = 0;
    std::string base;
    PollDone done;
  };
  std::optional<std::string> take_kept(const std::string& device) OTA_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::unordered_map<std::string, Poll> polls_ OTA_GUARDED_BY(mutex_);
  /// Device and payload, oldest first.
  std::deque<std::pair<std::string, std::string>> kept_ OTA_GUARDED_BY(mutex_);
  std::uint64_t last_ OTA_GUARDED_BY(mutex_) = 0;
  bool stopped_ OTA_GUARDED_BY(mutex_) = false;
};

}  // namespace ota::device
