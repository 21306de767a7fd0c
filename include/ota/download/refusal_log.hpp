// Log lines for refused messages and downloads, with a rate limit.
#pragma once

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
/// server. At most kLinesOfDevice a second for each device, so that one device can't hide the lines of another, and
/// kLinesPerSecond in total. The next line of a later second has the number of omitted ones. Thread-safe; no other lock
/// is taken while its lock is held.
class RefusalLog {
 public:
  static constexpr int kLinesOfDevice = 20;
  static constexpr int kLinesPerSecond = 200;

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
  bool may_write(std::string_view device, std::uint64_t& left_out);

  const Clock& clock_;
  Mutex mutex_;
  Millis second_ OTA_GUARDED_BY(mutex_){-1};
  int lines_ OTA_GUARDED_BY(mutex_) = 0;
  /// Lines in this second by device.
  std::map<std::string, int, std::less<>> of_device_ OTA_GUARDED_BY(mutex_);
  std::uint64_t left_out_ OTA_GUARDED_BY(mutex_) = 0;
  RateLimit ignored_;
};

}  // namespace ota::download
