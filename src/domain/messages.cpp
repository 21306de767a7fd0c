#include "ota/domain/messages.hpp"

#include <algorithm>
#include <array>

namespace ota {
namespace {

template <class T, std::size_t N>
std::optional<T> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == text) return static_cast<T>(i);
  return {};
}

constexpr std::array<std::string_view, 2> kTransports{"http", "mqtt"};
constexpr std::array<std::string_view, 6> kDeviceStates{"downloading", "installing",  "rebooting",
                                                        "installed",   "rolled_back", "failed"};
constexpr std::array<std::string_view, 3> kCancelReasons{"cancelled", "preempted", "superseded"};
constexpr std::array<std::string_view, 8> kTypes{"metadata", "success",    "retry",  "failed",
                                                 "queued",   "up_to_date", "cancel", "error"};
static_assert(kTypes.size() == std::variant_size_v<Answer>);

}  // namespace

std::string_view to_string(Transport transport) { return kTransports.at(static_cast<std::size_t>(transport)); }
std::optional<Transport> parse_transport(std::string_view text) { return parse<Transport>(kTransports, text); }

bool fit_secret(std::string_view token) {
  const auto visible = [](char c) { return c > ' ' && c <= '~'; };
  return token.size() >= 16 && token.size() <= 128 && std::all_of(token.begin(), token.end(), visible);
}

void LinkReport::merge(const LinkReport& newer) {
  if (newer.rtt_ms) rtt_ms = newer.rtt_ms;
  if (newer.rssi) rssi = newer.rssi;
  if (newer.loss) loss = newer.loss;
}

std::string_view to_string(DeviceState state) { return kDeviceStates.at(static_cast<std::size_t>(state)); }
std::optional<DeviceState> parse_device_state(std::string_view text) { return parse<DeviceState>(kDeviceStates, text); }

std::string_view to_string(CancelReason reason) { return kCancelReasons.at(static_cast<std::size_t>(reason)); }

std::string_view type_of(const Answer& answer) { return kTypes.at(answer.index()); }

}  // namespace ota
