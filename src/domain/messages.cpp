#include "ota/domain/messages.hpp"

#include <algorithm>
#include <array>

#include "ota/base/text.hpp"

namespace ota {
namespace {

template <class T, std::size_t N>
std::optional<T> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<T>(i);
  return {};
}

constexpr std::array<std::string_view, 2> kTransports{"http", "mqtt"};
constexpr std::array<std::string_view, 7> kDeviceStates{"downloading", "installing", "rebooting", "installed",
                                                        "rolled_back", "failed",     "postponed"};
constexpr std::array<std::string_view, 4> kCancelReasons{"cancelled", "preempted", "superseded", "rollout_cancelled"};
constexpr std::array<std::string_view, 6> kHoldReasons{"pace", "window", "paused", "halted", "approval", "postponed"};
constexpr std::array<std::string_view, 9> kTypes{"metadata",   "success", "retry", "failed", "queued",
                                                 "up_to_date", "cancel",  "error", "hold"};
static_assert(kTypes.size() == std::variant_size_v<Answer>);

}  // namespace

std::string_view to_string(Transport transport) { return kTransports.at(static_cast<std::size_t>(transport)); }
std::optional<Transport> parse_transport(std::string_view text) { return parse<Transport>(kTransports, text); }

bool fit_secret(std::string_view token) {
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  return token.size() >= 16 && token.size() <= 128 && std::all_of(token.begin(), token.end(), visible);
}

std::string_view to_string(Protocol protocol) {
  constexpr std::string_view kProtocols[] = {"mqtt", "http", "ddi", "latest"};
  return kProtocols[static_cast<std::size_t>(protocol)];
}

std::string fit_client(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  std::string fit(trim(text.substr(0, kLongest)));
  for (char& c : fit)
    if (c < ' ' || c > '~') c = '?';
  return fit;
}

bool fit_attribute(std::string_view key, std::string_view value) {
  return !key.empty() && key.size() <= AttributeReport::kLongest && is_utf8(key) && !has_control(key) &&
         value.size() <= AttributeReport::kLongest && is_utf8(value) && value.find('\0') == std::string_view::npos;
}

bool fit_timezone(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
           c == '-' || c == '/';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), allowed);
}

void LinkReport::merge(const LinkReport& newer) {
  if (newer.rtt_ms) rtt_ms = newer.rtt_ms;
  if (newer.rssi) rssi = newer.rssi;
  if (newer.loss) loss = newer.loss;
}

std::string_view to_string(DeviceState state) { return kDeviceStates.at(static_cast<std::size_t>(state)); }
std::optional<DeviceState> parse_device_state(std::string_view text) { return parse<DeviceState>(kDeviceStates, text); }

std::string_view to_string(CancelReason reason) { return kCancelReasons.at(static_cast<std::size_t>(reason)); }

std::string_view to_string(HoldReason reason) { return kHoldReasons.at(static_cast<std::size_t>(reason)); }

std::string_view type_of(const Answer& answer) { return kTypes.at(answer.index()); }

}  // namespace ota
