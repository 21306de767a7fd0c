#include "ota/download/auth_throttle.hpp"

#include <fmt/format.h>

#include <string>
#include <variant>

#include "ota/wire/errors.hpp"

namespace ota::download {
namespace {

constexpr std::size_t kBuckets = std::size_t{1} << 16;
// Hash seeds that differ from that of the device's own bucket.
constexpr std::uint64_t kStranger = 0x9E3779B97F4A7C15;
constexpr std::uint64_t kBroker = 0xD1B54A32D192ED03;

}  // namespace

AuthThrottle::AuthThrottle(const Clock& clock)
    : messages_(clock, kMessagesPerSecond, kMessageBurst, kBuckets),
      reports_(clock, kReportsPerSecond, kReportBurst, kBuckets),
      failures_(clock, kFailuresPerSecond, kFailureBurst, kBuckets),
      all_failures_(clock, kAllFailuresPerSecond, kAllFailureBurst, 1),
      notices_(clock, 1, 1, kBuckets) {}

std::uint64_t AuthThrottle::speaker(std::string_view name, const Credentials& who) const {
  if (who.certified) return hash_(name);
  if (who.token_digest) {
    std::string with_token(name);
    with_token += '\n';
    with_token.append(reinterpret_cast<const char*>(who.token_digest->data()), who.token_digest->size());
    return hash_(with_token);
  }
  return hash_(name) ^ (who.via_broker() ? kBroker : kStranger);
}

std::optional<Error> AuthThrottle::refuse(std::string_view name, const Credentials& who, bool report) {
  auto& limit = report ? reports_ : messages_;
  if (const int wait = limit.take(speaker(name, who)); wait > 0)
    return wire::overloaded(fmt::format("device {} sends more than {} messages a second", name,
                                        report ? kReportsPerSecond : kMessagesPerSecond),
                            wait);
  return std::nullopt;
}

std::optional<Error> AuthThrottle::record_result(std::string_view name, const Credentials& who, bool believed) {
  if (believed) return std::nullopt;
  if (const int wait = failures_.take(hash_(name) ^ (who.via_broker() ? kBroker : kStranger)); wait > 0)
    return wire::overloaded(
        fmt::format("too many failed authentications as {}: send the valid token", name), wait);
  if (!who.token_digest) return std::nullopt;
  if (const int wait = all_failures_.take(0); wait > 0)
    return wire::overloaded(fmt::format("wrong token for {}, after too many failed authentications: send the valid one",
                                        name),
                            wait);
  return std::nullopt;
}

std::optional<Error> AuthThrottle::record_result(std::string_view name, const Credentials& who,
                                                 const std::optional<Answer>& answer) {
  const auto* refused = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr;
  const auto code = refused ? refused->error.code : Errc::bad_message;
  return record_result(name, who, code != Errc::not_authorized && code != Errc::unknown_device);
}

bool AuthThrottle::may_tell(std::string_view name) { return notices_.take(hash_(name)) == 0; }

}  // namespace ota::download
