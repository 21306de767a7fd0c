// The state table of a rollout (docs/fleet.md, States): from, event, cause, to.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "ota/domain/task_state.hpp"

namespace ota {

/// Kept as numbers in the database.
enum class RolloutState : std::uint8_t {
  waiting_start,  ///< a second person must approve it before it starts
  scheduled,      ///< `not_before` is ahead
  running,
  waiting_stage,  ///< a second person must approve its next stage
  paused,
  halted,  ///< by a brake
  completed,
  halted_target,  ///< by a brake after it completed
  cancelled,
  expired,
  superseded
};
inline constexpr std::size_t kRolloutStates = 11;

enum class RolloutEvent : std::uint8_t {
  create,             ///< it starts at once
  create_later,       ///< with `not_before`
  create_unapproved,  ///< in a channel with `approval`
  approve,
  approve_later,  ///< approved, and `not_before` is ahead
  deny,
  start,         ///< `not_before` is reached
  open_stage,    ///< the stage before is passed and its delay over
  ask_approval,  ///< the same, and the next stage needs an approval
  pause,
  resume,
  brake,
  advance,   ///< the present stage counts as passed
  finish,    ///< the version becomes the target now
  complete,  ///< the last stage is passed
  retry,     ///< devices that failed start over
  cancel,
  expire,
  supersede
};
inline constexpr std::size_t kRolloutEvents = 19;

struct RolloutTransition {
  std::optional<RolloutState> from;  ///< nothing: it is being created
  RolloutEvent event;
  Cause by;
  RolloutState to;
};

/// All permitted transitions; all others are refused.
std::span<const RolloutTransition> rollout_transitions();

/// The state after `event`; nothing if the table has no such row. From `halted`, `resume` leads back to `before_halt`.
std::optional<RolloutState> next_state(std::optional<RolloutState> from, RolloutEvent event, Cause by,
                                       RolloutState before_halt = RolloutState::running);

constexpr bool is_halted(RolloutState s) { return s == RolloutState::halted || s == RolloutState::halted_target; }
constexpr bool is_ended(RolloutState s) { return s >= RolloutState::cancelled; }
/// Has not completed and not ended: a channel and hardware have at most one such rollout.
constexpr bool is_open(RolloutState s) { return s < RolloutState::completed; }
/// It takes devices in by its stages.
constexpr bool admits(RolloutState s) { return s == RolloutState::running; }
/// Its devices may pass the gate, if the rules permit it.
constexpr bool gate_is_open(RolloutState s) {
  return s == RolloutState::running || s == RolloutState::waiting_stage || s == RolloutState::completed;
}
/// Its brakes are armed.
constexpr bool has_brakes(RolloutState s) { return gate_is_open(s) || s == RolloutState::paused; }

/// As REST names it: both approvals are `waiting_approval`, both kinds of halt `halted`.
std::string_view to_string(RolloutState state);
std::string_view to_string(RolloutEvent event);
/// The distinct names, in their order.
std::span<const std::string_view> rollout_state_names();

}  // namespace ota
