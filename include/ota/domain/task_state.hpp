// The state table of a task (docs/rest.md, Tasks): from, event, cause, to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ota {

enum class TaskState : std::uint8_t {
  queued,
  offered,
  downloading,
  retry_wait,
  installing,
  succeeded,
  failed,
  cancelled,
  expired
};
inline constexpr std::size_t kTaskStates = 9;

enum class TaskEvent : std::uint8_t {
  grant,             ///< the scheduler gives the task a free slot
  chunk,             ///< the device has a new chunk, or reports that it downloads
  image_right,       ///< the image is verified, and no confirmation is required
  image_right_hold,  ///< the image is verified; the device must report the new version
  attempt_spent,     ///< the attempt failed, and another one is left
  attempts_used_up,  ///< the last attempt failed
  confirmed,         ///< the device reports that it runs the new version
  rolled_back,       ///< the device reports that it rolled back
  install_failed,    ///< the device reports a failure after `success`
  other_version,     ///< the device reports another version after `success`
  confirm_timeout,   ///< no confirmation in time
  offer_timeout,     ///< offered, and no message from the device
  silence,           ///< no new chunk for two stalls, and the device wasn't seen
  preempt,           ///< a security task needs the device or the slot
  withdraw,          ///< its firmware is no longer trusted
  cancel,            ///< an operator stops it
  supersede,         ///< the device has this version or a newer one
  wrong_hardware,    ///< the device's hardware isn't the firmware's
  expire,            ///< `expires_at` is reached
  damage             ///< the stored image is corrupt
};
inline constexpr std::size_t kTaskEvents = 20;

enum class Cause : std::uint8_t { engine, device, operator_, timer };

struct Transition {
  TaskState from;
  TaskEvent event;
  Cause by;
  TaskState to;
};

/// All permitted transitions, in the order of `from`; all others are refused. The rows from `succeeded` and `failed`
/// apply only to the device's last update: see engine/confirmation.hpp.
std::span<const Transition> transitions();

/// The state after `event` in state `from`; nothing if the table has no such row.
std::optional<TaskState> next_state(TaskState from, TaskEvent event, Cause by);

/// offered, downloading, retry_wait: the states that `tasks.max_active` limits.
constexpr bool holds_slot(TaskState s) {
  return s == TaskState::offered || s == TaskState::downloading || s == TaskState::retry_wait;
}
/// The task is active on its device: it holds a slot or waits for its confirmation.
constexpr bool is_active(TaskState s) { return holds_slot(s) || s == TaskState::installing; }
/// succeeded, failed, cancelled, expired. Only the device's report about its last update changes these states.
constexpr bool is_ended(TaskState s) { return s >= TaskState::succeeded; }

std::string_view to_string(TaskState state);
std::string_view to_string(TaskEvent event);
std::string_view to_string(Cause cause);
std::optional<TaskState> parse_task_state(std::string_view text);
/// The names of all states, in their order.
std::span<const std::string_view> task_state_names();

}  // namespace ota
