// Rate limits of devices: messages, and failed authentications.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ota/base/rate_limit.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/messages.hpp"
#include "ota/firmware/salted_hash.hpp"

namespace ota::download {

/// Called before the engine. Counts by device, never by address, because a whole site may share one address.
/// Credentials are compared first and counted separately, so that failed attempts never limit valid credentials.
/// Messages through the broker are counted separately from those over HTTP. Only failures are limited further. Tables
/// have a fixed size. Thread-safe, without a lock.
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

  /// Called before a message is handled. Errc::overloaded with the time to wait; nothing: handle it. `name`: device id.
  std::optional<Error> refuse(std::string_view name, const Credentials& who, bool report = false);
  /// Records whether the authentication succeeded. Errc::overloaded, to be sent instead of the refusal, if that name,
  /// or all names together, failed too often.
  std::optional<Error> record_result(std::string_view name, const Credentials& who, bool believed);

  /// The same, from the engine's answer.
  std::optional<Error> record_result(std::string_view name, const Credentials& who,
                                     const std::optional<Answer>& answer);
  /// Whether a refused message should be answered; limited, because over MQTT each answer goes through the broker.
  bool may_tell(std::string_view name);

 private:
  /// The bucket that a message counts for.
  std::uint64_t speaker(std::string_view name, const Credentials& who) const;

  const firmware::SaltedHash hash_;
  RateLimit messages_;
  RateLimit reports_;
  RateLimit failures_;
  RateLimit all_failures_;
  RateLimit notices_;
};

}  // namespace ota::download
