// Events: what happened to tasks, rollouts, devices, firmware and the server (docs/events.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"

namespace ota {

/// Kept as numbers in the database.
enum class EventType : std::uint8_t {
  rollout_created,
  rollout_approved,
  rollout_started,
  rollout_stage_opened,
  rollout_stage_passed,
  rollout_paused,
  rollout_resumed,
  rollout_halted,
  rollout_completed,
  rollout_cancelled,
  rollout_superseded,
  rollout_expired,
  rollout_stalled,
  task_created,
  task_offered,
  task_downloading,
  task_staged,
  task_installing,
  task_succeeded,
  task_failed,
  task_cancelled,
  task_expired,
  device_registered,
  device_lost,
  device_returned,
  device_version_changed,
  device_moved,
  device_removed,
  firmware_uploaded,
  firmware_blocked,
  firmware_damaged,
  firmware_removed,
  server_started,
  server_degraded,
  server_recovered
};
inline constexpr std::size_t kEventTypes = 35;

/// `rollout.halted`; in a CloudEvent `otad.` stands in front.
std::string_view to_string(EventType type);
/// All names, in the order of EventType.
std::span<const std::string_view> event_type_names();

/// A set of types. A value.
class EventTypes {
 public:
  /// All types.
  EventTypes() = default;
  /// None.
  static EventTypes none() { return EventTypes(0); }

  /// Adds `rollout.halted`, or `rollout.*` for all of a group; false where there is no such type or group.
  bool add(std::string_view pattern);
  bool contains(EventType type) const { return (bits_ >> static_cast<unsigned>(type) & 1) != 0; }
  /// One bit for each type, the first the lowest.
  std::uint64_t bits() const { return bits_; }
  bool operator==(const EventTypes&) const = default;

 private:
  explicit EventTypes(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = (std::uint64_t{1} << kEventTypes) - 1;
};

struct Event {
  std::int64_t number = 0;  ///< from 1, ascending; unique in its database for ever
  WallTime time{};
  EventType type = EventType::server_started;
  std::string subject;      ///< the id of the task, rollout, device or firmware; `server`
  std::string channel;      ///< empty: none
  std::string device;       ///< empty: none
  std::string data = "{}";  ///< a JSON object, without `channel` and `device_id`
};

struct EventFilter {
  EventTypes types;
  std::string channel;  ///< empty: any
  std::string device;   ///< empty: any

  bool matches(const Event& event) const {
    return types.contains(event.type) && (channel.empty() || channel == event.channel) &&
           (device.empty() || device == event.device);
  }
};

}  // namespace ota
