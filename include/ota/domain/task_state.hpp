// The states of a task (docs/rest.md, Tasks): their names, their sets, and the table: from, event, cause, to.
#pragma once

#include <array>
#include <cstddef>
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

namespace task_states {

using S = TaskState;
using E = TaskEvent;

inline constexpr Transition kTable[] = {
    // from           event                by                to
    {S::queued,      E::grant,            Cause::engine,    S::offered},
    {S::queued,      E::verified,         Cause::device,    S::succeeded},   // verified while it had no slot
    {S::queued,      E::verified_pending_confirm, Cause::device,    S::installing},
    {S::queued,      E::verified_held,    Cause::device,    S::staged},
    {S::queued,      E::confirmed,        Cause::device,    S::succeeded},
    {S::queued,      E::cancel,           Cause::operator_, S::cancelled},
    {S::queued,      E::supersede,        Cause::engine,    S::cancelled},
    {S::queued,      E::wrong_hardware,   Cause::engine,    S::failed},
    {S::queued,      E::expire,           Cause::timer,     S::expired},
    {S::queued,      E::image_corrupt,    Cause::engine,    S::failed},

    {S::offered,     E::chunk,            Cause::device,    S::downloading},
    {S::offered,     E::verified,         Cause::device,    S::succeeded},
    {S::offered,     E::verified_pending_confirm, Cause::device,    S::installing},
    {S::offered,     E::verified_held,    Cause::device,    S::staged},
    {S::offered,     E::attempt_failed,   Cause::device,    S::retry_wait},
    {S::offered,     E::attempts_used_up, Cause::device,    S::failed},
    {S::offered,     E::offer_timeout,    Cause::timer,     S::queued},
    {S::offered,     E::preempt,          Cause::engine,    S::queued},
    {S::offered,     E::withdraw,         Cause::engine,    S::queued},
    {S::offered,     E::confirmed,        Cause::device,    S::succeeded},   // installed in another way
    {S::offered,     E::supersede,        Cause::engine,    S::cancelled},
    {S::offered,     E::wrong_hardware,   Cause::engine,    S::failed},
    {S::offered,     E::cancel,           Cause::operator_, S::cancelled},
    {S::offered,     E::expire,           Cause::timer,     S::expired},
    {S::offered,     E::image_corrupt,    Cause::engine,    S::failed},

    {S::downloading, E::chunk,            Cause::device,    S::downloading},
    {S::downloading, E::verified,         Cause::device,    S::succeeded},
    {S::downloading, E::verified_pending_confirm, Cause::device,    S::installing},
    {S::downloading, E::verified_held,    Cause::device,    S::staged},
    {S::downloading, E::attempt_failed,   Cause::device,    S::retry_wait},
    {S::downloading, E::attempt_failed,   Cause::timer,     S::retry_wait},  // stalled twice while online
    {S::downloading, E::attempts_used_up, Cause::device,    S::failed},
    {S::downloading, E::attempts_used_up, Cause::timer,     S::failed},
    {S::downloading, E::device_silent,    Cause::timer,     S::queued},
    {S::downloading, E::preempt,          Cause::engine,    S::queued},
    {S::downloading, E::withdraw,         Cause::engine,    S::queued},
    {S::downloading, E::confirmed,        Cause::device,    S::succeeded},   // installed in another way
    {S::downloading, E::supersede,        Cause::engine,    S::cancelled},
    {S::downloading, E::wrong_hardware,   Cause::engine,    S::failed},
    {S::downloading, E::cancel,           Cause::operator_, S::cancelled},
    {S::downloading, E::expire,           Cause::timer,     S::expired},
    {S::downloading, E::image_corrupt,    Cause::engine,    S::failed},

    {S::retry_wait,  E::chunk,            Cause::device,    S::downloading},
    {S::retry_wait,  E::verified,         Cause::device,    S::succeeded},
    {S::retry_wait,  E::verified_pending_confirm, Cause::device,    S::installing},
    {S::retry_wait,  E::verified_held,    Cause::device,    S::staged},
    {S::retry_wait,  E::attempt_failed,   Cause::device,    S::retry_wait},
    {S::retry_wait,  E::attempt_failed,   Cause::timer,     S::retry_wait},
    {S::retry_wait,  E::attempts_used_up, Cause::device,    S::failed},
    {S::retry_wait,  E::attempts_used_up, Cause::timer,     S::failed},
    {S::retry_wait,  E::device_silent,    Cause::timer,     S::queued},
    {S::retry_wait,  E::preempt,          Cause::engine,    S::queued},
    {S::retry_wait,  E::withdraw,         Cause::engine,    S::queued},
    {S::retry_wait,  E::confirmed,        Cause::device,    S::succeeded},   // installed in another way
    {S::retry_wait,  E::supersede,        Cause::engine,    S::cancelled},
    {S::retry_wait,  E::wrong_hardware,   Cause::engine,    S::failed},
    {S::retry_wait,  E::cancel,           Cause::operator_, S::cancelled},
    {S::retry_wait,  E::expire,           Cause::timer,     S::expired},
    {S::retry_wait,  E::image_corrupt,    Cause::engine,    S::failed},

    {S::staged,      E::verified_pending_confirm, Cause::device,    S::installing},  // it asked, and the gate was open
    {S::staged,      E::release,          Cause::engine,    S::installing},
    {S::staged,      E::attempt_failed,   Cause::device,    S::queued},      // it lost the image that it had
    {S::staged,      E::attempts_used_up, Cause::device,    S::failed},
    {S::staged,      E::preempt,          Cause::engine,    S::queued},
    {S::staged,      E::confirmed,        Cause::device,    S::succeeded},   // installed in another way
    {S::staged,      E::supersede,        Cause::engine,    S::cancelled},
    {S::staged,      E::wrong_hardware,   Cause::engine,    S::failed},
    {S::staged,      E::cancel,           Cause::operator_, S::cancelled},
    {S::staged,      E::expire,           Cause::timer,     S::expired},

    {S::installing,  E::confirmed,        Cause::device,    S::succeeded},
    {S::installing,  E::attempt_failed,   Cause::device,    S::queued},      // one that only polls has it all again
    {S::installing,  E::attempts_used_up, Cause::device,    S::failed},
    {S::installing,  E::postpone,         Cause::device,    S::staged},
    {S::installing,  E::device_lost,      Cause::timer,     S::failed},
    {S::installing,  E::rolled_back,      Cause::device,    S::failed},
    {S::installing,  E::install_failed,   Cause::device,    S::failed},
    {S::installing,  E::other_version,    Cause::device,    S::failed},
    {S::installing,  E::confirm_timeout,  Cause::timer,     S::failed},
    {S::installing,  E::cancel,           Cause::operator_, S::cancelled},
    {S::installing,  E::supersede,        Cause::engine,    S::cancelled},
    {S::installing,  E::wrong_hardware,   Cause::engine,    S::failed},

    {S::succeeded,   E::confirmed,        Cause::device,    S::succeeded},   // before, only the image was verified
    {S::succeeded,   E::rolled_back,      Cause::device,    S::failed},
    {S::succeeded,   E::install_failed,   Cause::device,    S::failed},
    {S::succeeded,   E::other_version,    Cause::device,    S::failed},

    {S::failed,      E::confirmed,        Cause::device,    S::succeeded},   // for example after confirm_timeout
    {S::failed,      E::rolled_back,      Cause::device,    S::failed},      // the cause, after confirm_timeout
    {S::failed,      E::install_failed,   Cause::device,    S::failed},
    {S::failed,      E::other_version,    Cause::device,    S::failed},      // it came back, after device_lost
};

inline constexpr std::array<std::string_view, kTaskStates> kStates{
    "queued", "offered", "downloading", "retry_wait", "installing", "succeeded", "failed", "cancelled", "expired", "staged"};
inline constexpr std::array<std::string_view, kTaskEvents> kEvents{
    "grant",        "chunk",          "image_right",   "image_right_hold", "attempt_spent", "attempts_used_up",
    "confirmed",    "rolled_back",    "install_failed", "other_version",   "confirm_timeout", "offer_timeout",
    "silence",      "preempt",        "withdraw",      "cancel",           "supersede",     "wrong_hardware",
    "expire",       "damage",         "image_staged",  "release",          "postpone",      "device_lost"};
inline constexpr std::array<std::string_view, 4> kCauses{"engine", "device", "operator", "timer"};

}  // namespace task_states

/// All permitted transitions, in the order of `from`; all others are refused. The rows from `succeeded` and `failed`
/// apply only to the device's last update: see engine/confirmation.hpp.
constexpr std::span<const Transition> transitions() { return task_states::kTable; }

/// The state after `event` in state `from`; nothing if the table has no such row.
constexpr std::optional<TaskState> next_state(TaskState from, TaskEvent event, Cause by) {
  for (const auto& row : transitions())
    if (row.from == from && row.event == event && row.by == by) return row.to;
  return {};
}

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

constexpr std::string_view to_string(TaskState s) { return task_states::kStates.at(static_cast<std::size_t>(s)); }
constexpr std::string_view to_string(TaskEvent e) { return task_states::kEvents.at(static_cast<std::size_t>(e)); }
constexpr std::string_view to_string(Cause cause) { return task_states::kCauses.at(static_cast<std::size_t>(cause)); }

/// The names of all states, in their order.
constexpr std::span<const std::string_view> task_state_names() { return task_states::kStates; }

constexpr std::optional<TaskState> parse_task_state(std::string_view text) {
  for (std::size_t i = 0; i < kTaskStates; ++i)
    if (task_states::kStates[i] == text) return static_cast<TaskState>(i);
  return {};
}

}  // namespace ota
