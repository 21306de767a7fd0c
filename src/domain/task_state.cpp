#include "ota/domain/task_state.hpp"

namespace ota {
namespace {

using S = TaskState;
using E = TaskEvent;

constexpr Transition kTable[] = {
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

constexpr std::array<std::string_view, kTaskStates> kStates{"queued",     "offered",   "downloading",
                                                           "retry_wait", "installing", "succeeded",
                                                           "failed",     "cancelled",  "expired",
                                                           "staged"};
constexpr std::array<std::string_view, kTaskEvents> kEvents{
    "grant",       "chunk",          "image_right",   "image_right_hold", "attempt_spent", "attempts_used_up", "confirmed",
    "rolled_back", "install_failed", "other_version", "confirm_timeout",  "offer_timeout", "silence",          "preempt",
    "withdraw",    "cancel",         "supersede",     "wrong_hardware",   "expire",        "damage",
    "image_staged", "release",       "postpone",      "device_lost"};
constexpr std::array<std::string_view, 4> kCauses{"engine", "device", "operator", "timer"};

}  // namespace

std::span<const Transition> transitions() { return kTable; }

std::optional<TaskState> next_state(TaskState from, TaskEvent event, Cause by) {
  for (const auto& row : kTable)
    if (row.from == from && row.event == event && row.by == by) return row.to;
  return {};
}

std::string_view to_string(TaskState state) { return kStates.at(static_cast<std::size_t>(state)); }
std::string_view to_string(TaskEvent event) { return kEvents.at(static_cast<std::size_t>(event)); }
std::string_view to_string(Cause cause) { return kCauses.at(static_cast<std::size_t>(cause)); }

std::span<const std::string_view> task_state_names() { return kStates; }

std::optional<TaskState> parse_task_state(std::string_view text) {
  for (std::size_t i = 0; i < kStates.size(); ++i)
    if (kStates[i] == text) return static_cast<TaskState>(i);
  return {};
}

}  // namespace ota
