#include "ota/domain/event.hpp"

#include <array>

namespace ota {
namespace {

constexpr std::array<std::string_view, kEventTypes> kEventNames{
    "rollout.created",      "rollout.approved",   "rollout.started",   "rollout.stage_opened",
    "rollout.stage_passed", "rollout.paused",     "rollout.resumed",   "rollout.halted",
    "rollout.completed",    "rollout.cancelled",  "rollout.superseded", "rollout.expired",
    "rollout.stalled",      "task.created",       "task.offered",      "task.downloading",
    "task.staged",          "task.installing",    "task.succeeded",    "task.failed",
    "task.cancelled",       "task.expired",       "device.registered", "device.lost",
    "device.returned",      "device.version_changed", "device.moved",  "device.removed",
    "firmware.uploaded",    "firmware.blocked",   "firmware.damaged",  "firmware.removed",
    "server.started",       "server.degraded",    "server.recovered"};

bool fits(std::string_view pattern, std::string_view name) {
  if (!pattern.ends_with(".*")) return pattern == name;
  const auto group = pattern.substr(0, pattern.size() - 1);
  return name.starts_with(group);
}

}  // namespace

std::string_view to_string(EventType type) { return kEventNames.at(static_cast<std::size_t>(type)); }
std::span<const std::string_view> event_type_names() { return kEventNames; }

bool EventTypes::add(std::string_view pattern) {
  bool found = false;
  for (std::size_t i = 0; i < kEventNames.size(); ++i) {
    if (!fits(pattern, kEventNames.at(i))) continue;
    bits_ |= std::uint64_t{1} << i;
    found = true;
  }
  return found;
}

}  // namespace ota
