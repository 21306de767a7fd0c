// Log lines for refused messages and downloads, with rate limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/rate_limit.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/ids.hpp"

namespace ota::download {

/// `device=… task=… from=… path=… code=…: message`, a warning for an error of the device, an error for one of the
/// server. Each device, and each address of those without a name, gets kLinesOfDevice lines, then one a minute, so
/// that one can't hide the lines of another; all together get kLines, then one in ten seconds. What is left out is
/// counted in a line with the most frequent names: after a second, after ten more, then each minute, for as long as it
/// goes on. The next refusal writes that line. Thread-safe; no other lock is taken while its lock is held.
class RefusalLog {
 public:
  static constexpr int kLinesOfDevice = 20;
  static constexpr int kLines = 200;

  explicit RefusalLog(const Clock& clock);
  /// Where an HTTP request came from, `address:port`, and what it asked for.
  struct Source {
    std::string_view from;
    std::string_view path;
  };
  /// `device`, `task` and `source` may be empty.
  void write(std::string_view device, const std::optional<TaskId>& task, const Error& error, const Source& source = {});
  /// A warning that a message of that type was not sent to the device.
  void write_unsent(std::string_view device, const std::optional<TaskId>& task, std::string_view type,
                    std::string_view why);
  /// A warning that a proxy's header of an HTTP request was ignored, since its peer isn't trusted: once an hour for each
  /// address.
  void write_ignored(std::string_view header, const Source& source);

 private:
  /// False where the line is to be left out.
  bool may_write(std::string_view name);
  void leave_out(std::string_view name, Millis now) OTA_REQUIRES(mutex_);
  std::string take_summary() OTA_REQUIRES(mutex_);

  const Clock& clock_;
  RateLimit of_name_;
  RateLimit of_all_;
  RateLimit ignored_;
  Mutex mutex_;
  std::uint64_t left_out_ OTA_GUARDED_BY(mutex_) = 0;  // since the last summary
  /// The most frequent of them, a bounded number.
  std::map<std::string, std::uint64_t, std::less<>> names_ OTA_GUARDED_BY(mutex_);
  Millis since_ OTA_GUARDED_BY(mutex_){0};           // the first of them
  Millis last_ OTA_GUARDED_BY(mutex_){0};
  std::size_t interval_ OTA_GUARDED_BY(mutex_) = 0;  // of kIntervals
};

}  // namespace ota::download
