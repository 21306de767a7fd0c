// Limits on the calls of operators, and on the log and audit entries about refused calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/mutex.hpp"
#include "ota/base/rate_limit.hpp"
#include "ota/base/result.hpp"
#include "ota/firmware/salted_hash.hpp"

namespace ota::rest {

/// A number for each name, from 0. Unlike by a hash, no two share one, so that no key's noise counts for another; beyond
/// kMost names the others share the last. Thread-safe; its lock is a leaf.
class NameNumbers {
 public:
  static constexpr std::size_t kMost = std::size_t{1} << 12;
  std::size_t of(std::string_view name);

 private:
  Mutex mutex_;
  std::map<std::string, std::size_t, std::less<>> numbers_ OTA_GUARDED_BY(mutex_);
};

/// Accepts a limited rate of events for each name and counts the rest. Thread-safe.
class Sampling {
 public:
  Sampling(const Clock& clock, double per_second, double burst);
  /// True: record this event; `left_out` events of that name were dropped before it.
  bool take(std::string_view name, std::uint64_t& left_out);

 private:
  NameNumbers names_;
  RateLimit limit_;
  ZeroedTable<std::uint64_t> left_out_;
};

/// Counts by key, never by address. A valid key is never limited by failed attempts. Thread-safe.
class AuthThrottle {
 public:
  static constexpr double kCallsPerSecond = 200;  ///< of one key, after a burst of
  static constexpr double kCallBurst = 2000;
  static constexpr double kFailuresPerSecond = 0.5;  ///< of one wrong key, after a burst of
  static constexpr double kFailureBurst = 10;
  static constexpr double kAllFailuresPerSecond = 2;  ///< of all together, after a burst of
  static constexpr double kAllFailureBurst = 60;

  explicit AuthThrottle(const Clock& clock);

  /// A call with that valid key. Errc::overloaded with the time to wait; nothing: accepted.
  std::optional<Error> refuse_call(const std::string& key_name);
  /// A call with an invalid key, or none (empty): the same.
  std::optional<Error> refuse_failure(std::string_view key);

  Sampling log_lines;      ///< of refused calls, by the key's name or `anonymous`, so that they can't fill the disk
  Sampling audit_entries;  ///< of the same

 private:
  const firmware::SaltedHash hash_;  // of wrong keys, which have no number
  NameNumbers names_;
  RateLimit calls_;
  RateLimit failures_;
  RateLimit all_failures_;
};

}  // namespace ota::rest
