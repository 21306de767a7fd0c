// The one table of a task's life (api.md, rules of the queue): from, event, who may cause it, to.
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
  grant,             ///< a slot is free and it is this task's turn
  chunk,             ///< the device has a chunk that it had not, or says that it downloads
  image_right,       ///< the device's checksum is right, and no confirmation is asked for
  image_right_hold,  ///< the device's checksum is right; now it must come back with the new version
  attempt_spent,     ///< evidence against this attempt, and another is left
  attempts_used_up,  ///< evidence against the last attempt
  confirmed,         ///< the device says that it runs the new version
  rolled_back,       ///< the device says that it threw the new version out
  install_failed,    ///< after `success` the device says that it failed
  other_version,     ///< after `success` the device says that it runs another version
  confirm_timeout,   ///< the device did not come back in time
  offer_timeout,     ///< offered, and not a word from the device
  silence,           ///< no new chunk for two stalls, and nothing heard
  preempt,           ///< a security task needs the device or the slot
  withdraw,          ///< its firmware isn't trusted any more
  cancel,            ///< an operator stops it
  supersede,         ///< the device has this version or a newer one
  wrong_hardware,    ///< the device's hardware isn't the firmware's
  expire,            ///< its `expires_at` has come
  damage             ///< the stored image lost its digest
};
inline constexpr std::size_t kTaskEvents = 20;

enum class Cause : std::uint8_t { engine, device, operator_, timer };

struct Transition {
  TaskState from;
  TaskEvent event;
  Cause by;
  TaskState to;
};

/// Every permitted change of state, in the order of `from`. What is not here is refused. The rows from `succeeded` and
/// `failed` are for the device's last update alone: see engine/confirmation.hpp.
std::span<const Transition> transitions();

/// Where `event` leads from `from`; nothing where the table refuses it.
std::optional<TaskState> next_state(TaskState from, TaskEvent event, Cause by);

/// offered, downloading, retry_wait: what `tasks.max_active` counts.
constexpr bool holds_slot(TaskState s) {
  return s == TaskState::offered || s == TaskState::downloading || s == TaskState::retry_wait;
}
/// Holds its device: a slot, or the wait for its confirmation.
constexpr bool is_active(TaskState s) { return holds_slot(s) || s == TaskState::installing; }
/// succeeded, failed, cancelled, expired: left by the device's own report about its last update, and by nothing else.
constexpr bool is_ended(TaskState s) { return s >= TaskState::succeeded; }

std::string_view to_string(TaskState state);
std::string_view to_string(TaskEvent event);
std::string_view to_string(Cause cause);
std::optional<TaskState> parse_task_state(std::string_view text);
/// The names of all states, in their order.
std::span<const std::string_view> task_state_names();

}  // namespace ota
