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

namespace ota::api {

/// The payload that was pushed; nothing where the wait ended without one.
using LineDone = std::function<void(std::optional<std::string>)>;
/// The payload with the URLs that a line's device can use.
using PayloadFor = std::function<std::string(const std::string& base)>;

/// One line a device: a newer one ends the older. At most kMaxLines; one more is refused. Each `done` is called once,
/// outside the lock, on the thread that ends the line. Thread-safe.
class DeviceLines {
 public:
  static constexpr std::size_t kMaxLines = 4096;
  static constexpr std::size_t kMaxKept = 1024;

  /// The line's number, for close(); nothing where there are too many or after stop(), and then `done` is not called.
  /// `base`: what a payload for this line is made with.
  std::optional<std::uint64_t> open(const std::string& device, std::string base, LineDone done);
  /// Ends that line without a payload, if it still waits.
  void close(const std::string& device, std::uint64_t line);
  bool waits(const std::string& device) const;
  /// To the device that waits. Without one, what is `kept` goes to the device's next line: the last one a device, at
  /// most kMaxKept of them, of which the oldest go first; it is made with an empty base. What isn't kept voids what
  /// was.
  void deliver(const std::string& device, const PayloadFor& payload, bool kept);
  /// What was kept for the device no longer holds.
  void forget_kept(const std::string& device);
  /// Ends all and takes no more.
  void stop();

 private:
  struct Line {
    std::uint64_t number = 0;
    std::string base;
    LineDone done;
  };
  std::optional<std::string> take_kept(const std::string& device);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Line> lines_;           // protected by mutex_, as the rest
  std::deque<std::pair<std::string, std::string>> kept_;  // device and payload, oldest first
  std::uint64_t last_ = 0;
  bool stopped_ = false;
};

}  // namespace ota::api
