// Who of the devices may speak now: so many messages a second, and fewer and fewer wrong secrets.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ota/base/rate_limit.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/messages.hpp"
#include "ota/firmware/salted_hash.hpp"

namespace ota::download {

/// Stands in front of the engine. Counts by device, never by address: a whole site may sit behind one. A secret is
/// compared before anything is held against who brings it, and each counts apart, so that a right one is never kept out
/// by wrong ones; messages that came through the broker don't count with those over HTTP. Only failures are slowed
/// down. Tables have a fixed size. Thread-safe, without a lock.
class AuthThrottle {
 public:
  static constexpr double kMessagesPerSecond = 200;  ///< of one device, after a burst of
  static constexpr double kMessageBurst = 1000;
  static constexpr double kReportsPerSecond = 2000;  ///< the same for `progress`, of which small chunks make many
  static constexpr double kReportBurst = 5000;
  static constexpr double kFailuresPerSecond = 0.5;  ///< of one name, after a burst of
  static constexpr double kFailureBurst = 30;
  static constexpr double kAllFailuresPerSecond = 50;  ///< of all names together, after a burst of
  static constexpr double kAllFailureBurst = 500;

  explicit AuthThrottle(const Clock& clock);

  /// Before anybody looks at what came. Errc::overloaded with the time to wait; nothing: go on. `name` is the device's.
  std::optional<Error> refuse(std::string_view name, const Credentials& who, bool report = false);
  /// What came of it: whether it is who it says. Errc::overloaded, in place of the refusal, where that name, or all
  /// together, failed too often.
  std::optional<Error> record_result(std::string_view name, const Credentials& who, bool believed);

  /// The same with what the engine answered.
  std::optional<Error> record_result(std::string_view name, const Credentials& who,
                                     const std::optional<Answer>& answer);
  /// Whether a message that was refused is worth an answer: over MQTT each would go out through the broker.
  bool may_tell(std::string_view name);

 private:
  /// Whose allowance a message takes from.
  std::uint64_t speaker(std::string_view name, const Credentials& who) const;

  const firmware::SaltedHash hash_;
  RateLimit messages_;
  RateLimit reports_;
  RateLimit failures_;
  RateLimit all_failures_;
  RateLimit told_;
};

}  // namespace ota::download
