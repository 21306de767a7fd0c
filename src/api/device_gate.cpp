#include "api/device_gate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <variant>

#include "api/errors.hpp"

namespace ota::api {
namespace {

constexpr std::size_t kBuckets = std::size_t{1} << 16;
constexpr std::uint64_t kStranger = 0x9E3779B97F4A7C15;  // another bucket for who hasn't proven itself

}  // namespace

DeviceGate::DeviceGate(const Clock& clock)
    : messages_(clock, kMessagesPerSecond, kMessageBurst, kBuckets),
      reports_(clock, kReportsPerSecond, kReportBurst, kBuckets),
      failures_(clock, kFailuresPerSecond, kFailureBurst, kBuckets),
      all_failures_(clock, kAllFailuresPerSecond, kAllFailureBurst, 1),
      told_(clock, 1, 1, kBuckets),
      proofs_(kBuckets) {}

DeviceGate::Names DeviceGate::names(std::string_view name, const Credentials& who) const {
  Names found;
  found.name = hash_(name);
  if (who.token_digest) {
    std::string with_token(name);
    with_token += '\n';
    with_token.append(reinterpret_cast<const char*>(who.token_digest->data()), who.token_digest->size());
    found.proof = hash_(with_token) | 1;
    found.proven = proofs_[found.name].load(std::memory_order_relaxed) == found.proof;
  }
  found.proven |= who.certified;
  return found;
}

std::optional<Error> DeviceGate::refuse_guess(const Names& names, std::string_view name, const Credentials& who) const {
  if (names.proven) return std::nullopt;
  if (const int wait = failures_.wait(names.name); wait > 0)
    return overloaded(fmt::format("{} was named with wrong secrets, or none, too often; try again later", name), wait);
  if (!who.token_digest) return std::nullopt;
  if (const int wait = all_failures_.wait(0); wait > 0)
    return overloaded("too many secrets were wrong lately; try again later", wait);
  return std::nullopt;
}

std::optional<Error> DeviceGate::refuse_guess(std::string_view name, const Credentials& who) const {
  return refuse_guess(names(name, who), name, who);
}

std::optional<Error> DeviceGate::refuse(std::string_view name, const Credentials& who, bool report) {
  const auto names = this->names(name, who);
  if (auto error = refuse_guess(names, name, who)) return error;
  auto& limit = report ? reports_ : messages_;
  if (const int wait = limit.take(names.proven ? names.name : names.name ^ kStranger); wait > 0)
    return overloaded(fmt::format("device {} sends more than {} messages a second", name,
                                  report ? kReportsPerSecond : kMessagesPerSecond),
                      wait);
  return std::nullopt;
}

void DeviceGate::judged(std::string_view name, const Credentials& who, const std::optional<Answer>& answer) {
  const auto* refused = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr;
  const auto code = refused ? refused->error.code : Errc::bad_message;
  if (code == Errc::overloaded || code == Errc::cancelled) return;  // nobody looked
  judged(name, who, code != Errc::not_authorized && code != Errc::unknown_device);
}

bool DeviceGate::may_tell(std::string_view name) { return told_.take(hash_(name)) == 0; }

void DeviceGate::judged(std::string_view name, const Credentials& who, bool believed) {
  if (believed && !who.token_digest) return;
  const auto names = this->names(name, who);
  if (!believed) {
    failures_.take(names.name);
    if (who.token_digest) all_failures_.take(0);
  } else if (names.proof != 0 && !names.proven) {
    proofs_[names.name].store(names.proof, std::memory_order_relaxed);
  }
}

}  // namespace ota::api
