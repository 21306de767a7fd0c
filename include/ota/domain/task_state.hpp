// The state table of a task (docs/rest.md, Tasks): from, event, cause, to.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
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
  expired,
  staged  ///< its image is verified, and the gate of its rollout is closed
};
inline constexpr std::size_t kTaskStates = 10;

/// In the database and the log they have the names that to_string() gives, which are older.
enum class TaskEvent : std::uint8_t {
  grant,                     ///< the scheduler gives the task a free slot
  chunk,                     ///< the device has a new chunk, or reports that it downloads
  verified,                  ///< the image is verified, and no confirmation is required
  verified_pending_confirm,  ///< the image is verified; the device must report the new version
  attempt_failed,            ///< the attempt failed, and another one is left
  attempts_used_up,          ///< the last attempt failed
  confirmed,                 ///< the device reports that it runs the new version
  rolled_back,               ///< the device reports that it rolled back
  install_failed,            ///< the device reports a failure after `success`
  other_version,             ///< the device reports another version after `success`
  confirm_timeout,           ///< no confirmation in time
  offer_timeout,             ///< offered, and no message from the device
  device_silent,             ///< no new chunk for two stalls, and the device wasn't seen
  preempt,                   ///< a security task needs the device or the slot
  withdraw,                  ///< its firmware is no longer trusted
  cancel,                    ///< an operator stops it
  supersede,                 ///< the device has this version or a newer one
  wrong_hardware,            ///< the device's hardware isn't the firmware's
  expire,                    ///< `expires_at` is reached
  image_corrupt,             ///< the stored image is corrupt
  verified_held,             ///< the image is verified, and the gate of its rollout is closed
  release,                   ///< the gate opened for it
  postpone,                  ///< the device doesn't want to install yet
  device_lost                ///< the device wasn't seen after it passed the gate
};
inline constexpr std::size_t kTaskEvents = 24;

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

/// States that mean the same to the queue. A value.
class StateSet {
 public:
  constexpr StateSet(std::initializer_list<TaskState> states) {
    for (const auto state : states) bits_ |= bit(state);
  }
  constexpr bool contains(TaskState state) const { return (bits_ & bit(state)) != 0; }
  bool operator==(const StateSet&) const = default;

 private:
  static constexpr std::uint32_t bit(TaskState state) { return 1u << static_cast<unsigned>(state); }
  std::uint32_t bits_ = 0;
};

// The sets, here and nowhere else: the database's conditions and indexes follow from them (storage/state_sets.hpp).

/// The states that `tasks.max_active` limits.
inline constexpr StateSet kHoldsSlot{TaskState::offered, TaskState::downloading, TaskState::retry_wait};
/// The task is active on its device: it holds a slot, waits at the gate or for its confirmation.
inline constexpr StateSet kActive{TaskState::offered, TaskState::downloading, TaskState::retry_wait,
                                  TaskState::installing, TaskState::staged};
inline constexpr StateSet kOpen{TaskState::queued,     TaskState::offered,    TaskState::downloading,
                                TaskState::retry_wait, TaskState::installing, TaskState::staged};
/// Open, and its image isn't verified yet.
inline constexpr StateSet kUnverified{TaskState::queued, TaskState::offered, TaskState::downloading,
                                      TaskState::retry_wait};
/// Only the device's report about its last update changes these states.
inline constexpr StateSet kEnded{TaskState::succeeded, TaskState::failed, TaskState::cancelled, TaskState::expired};

constexpr bool holds_slot(TaskState s) { return kHoldsSlot.contains(s); }
constexpr bool is_active(TaskState s) { return kActive.contains(s); }
constexpr bool is_ended(TaskState s) { return kEnded.contains(s); }

std::string_view to_string(TaskState state);
std::string_view to_string(TaskEvent event);
std::string_view to_string(Cause cause);
std::optional<TaskState> parse_task_state(std::string_view text);
/// The names of all states, in their order.
std::span<const std::string_view> task_state_names();

}  // namespace ota
