// Who of the operators may call now, and how much is written down of those who may not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/rate_limit.hpp"
#include "ota/base/result.hpp"
#include "ota/firmware/salted_hash.hpp"

namespace ota::rest {

/// Lets some through for each name and counts the rest. Thread-safe.
class Sampling {
 public:
  Sampling(const Clock& clock, double per_second, double burst);
  /// True: this one counts, and `left_out` of that name went before it unseen.
  bool take(std::string_view name, std::uint64_t& left_out);

 private:
  const firmware::SaltedHash hash_;
  RateLimit limit_;
  ZeroedTable<std::uint64_t> left_out_;
};

/// Counts by key, never by address. A right key is never kept out by others' wrong ones. Thread-safe, without a lock.
class AuthThrottle {
 public:
  static constexpr double kCallsPerSecond = 200;  ///< of one key, after a burst of
  static constexpr double kCallBurst = 2000;
  static constexpr double kFailuresPerSecond = 0.5;  ///< of one wrong key, after a burst of
  static constexpr double kFailureBurst = 10;
  static constexpr double kAllFailuresPerSecond = 2;  ///< of all together, after a burst of
  static constexpr double kAllFailureBurst = 60;

  explicit AuthThrottle(const Clock& clock);

  /// A call with that right key. Errc::overloaded with the time to wait; nothing: go on.
  std::optional<Error> refuse_call(const std::string& key_name);
  /// A wrong key, or none (empty), was shown: the same.
  std::optional<Error> refuse_failure(std::string_view key);

  Sampling log_lines;      ///< of refused calls, by the key's name or `anonymous`: nobody's may fill the disk
  Sampling audit_entries;  ///< of the same

 private:
  const firmware::SaltedHash hash_;
  RateLimit calls_;
  RateLimit failures_;
  RateLimit all_failures_;
};

}  // namespace ota::rest
