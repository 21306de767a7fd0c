// One log line for each message or download that was refused, but not a flood of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"

namespace ota::download {

/// `device=… task=… code=…: message`, a warning where it is the device's fault, an error where it is ours. At most
/// kLinesOfDevice a second for each device, so that one that makes noise doesn't hide another, and kLinesPerSecond in
/// all; how many were left out is told with the next line of a later second. Thread-safe; the lock is a
/// leaf.
class RefusalLog {
 public:
  static constexpr int kLinesOfDevice = 20;
  static constexpr int kLinesPerSecond = 200;

  explicit RefusalLog(const Clock& clock) : clock_(clock) {}
  /// `device` or `task` may be empty.
  void write(std::string_view device, std::string_view task, const Error& error);
  /// The same for a message of that type which the device doesn't get: a warning.
  void write_unsent(std::string_view device, std::string_view task, std::string_view type, std::string_view why);

 private:
  bool may_write(std::string_view device, std::uint64_t& left_out);

  const Clock& clock_;
  std::mutex mutex_;
  Millis second_{-1};  // protected by mutex_, as the rest
  int lines_ = 0;
  std::map<std::string, int, std::less<>> of_device_;  // in this second, of those that got a line
  std::uint64_t left_out_ = 0;
};

}  // namespace ota::download
