#include "ota/domain/rollout_state.hpp"

#include <array>

namespace ota {
namespace {

constexpr RolloutTransition kRolloutTable[] = {
    // from, event, cause, to
    {std::nullopt, RolloutEvent::create_unapproved, Cause::operator_, RolloutState::waiting_start},
    {std::nullopt, RolloutEvent::create_later, Cause::operator_, RolloutState::scheduled},
    {std::nullopt, RolloutEvent::create, Cause::operator_, RolloutState::running},

    {RolloutState::waiting_start, RolloutEvent::approve_later, Cause::operator_, RolloutState::scheduled},
    {RolloutState::waiting_start, RolloutEvent::approve, Cause::operator_, RolloutState::running},
    {RolloutState::waiting_start, RolloutEvent::deny, Cause::operator_, RolloutState::cancelled},
    {RolloutState::waiting_start, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::waiting_start, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::waiting_start, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::scheduled, RolloutEvent::start, Cause::timer, RolloutState::running},
    {RolloutState::scheduled, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::scheduled, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::scheduled, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::running, RolloutEvent::open_stage, Cause::engine, RolloutState::running},
    {RolloutState::running, RolloutEvent::ask_approval, Cause::engine, RolloutState::waiting_stage},
    {RolloutState::running, RolloutEvent::pause, Cause::operator_, RolloutState::paused},
    {RolloutState::running, RolloutEvent::brake, Cause::engine, RolloutState::halted},
    {RolloutState::running, RolloutEvent::advance, Cause::operator_, RolloutState::running},
    {RolloutState::running, RolloutEvent::finish, Cause::operator_, RolloutState::completed},
    {RolloutState::running, RolloutEvent::complete, Cause::engine, RolloutState::completed},
    {RolloutState::running, RolloutEvent::retry, Cause::operator_, RolloutState::running},
    {RolloutState::running, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::running, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::running, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::waiting_stage, RolloutEvent::approve, Cause::operator_, RolloutState::running},
    {RolloutState::waiting_stage, RolloutEvent::deny, Cause::operator_, RolloutState::cancelled},
    {RolloutState::waiting_stage, RolloutEvent::brake, Cause::engine, RolloutState::halted},
    {RolloutState::waiting_stage, RolloutEvent::advance, Cause::operator_, RolloutState::waiting_stage},
    {RolloutState::waiting_stage, RolloutEvent::finish, Cause::operator_, RolloutState::completed},
    {RolloutState::waiting_stage, RolloutEvent::retry, Cause::operator_, RolloutState::waiting_stage},
    {RolloutState::waiting_stage, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::waiting_stage, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::waiting_stage, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::paused, RolloutEvent::resume, Cause::operator_, RolloutState::running},
    {RolloutState::paused, RolloutEvent::brake, Cause::engine, RolloutState::halted},
    {RolloutState::paused, RolloutEvent::advance, Cause::operator_, RolloutState::paused},
    {RolloutState::paused, RolloutEvent::finish, Cause::operator_, RolloutState::completed},
    {RolloutState::paused, RolloutEvent::retry, Cause::operator_, RolloutState::paused},
    {RolloutState::paused, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::paused, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::paused, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    // To the state before it was halted.
    {RolloutState::halted, RolloutEvent::resume, Cause::operator_, RolloutState::running},
    {RolloutState::halted, RolloutEvent::resume, Cause::operator_, RolloutState::waiting_stage},
    {RolloutState::halted, RolloutEvent::resume, Cause::operator_, RolloutState::paused},
    {RolloutState::halted, RolloutEvent::retry, Cause::operator_, RolloutState::halted},
    {RolloutState::halted, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::halted, RolloutEvent::expire, Cause::timer, RolloutState::expired},
    {RolloutState::halted, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::completed, RolloutEvent::brake, Cause::engine, RolloutState::halted_target},
    {RolloutState::completed, RolloutEvent::retry, Cause::operator_, RolloutState::completed},
    {RolloutState::completed, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::completed, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},

    {RolloutState::halted_target, RolloutEvent::resume, Cause::operator_, RolloutState::completed},
    {RolloutState::halted_target, RolloutEvent::retry, Cause::operator_, RolloutState::halted_target},
    {RolloutState::halted_target, RolloutEvent::cancel, Cause::operator_, RolloutState::cancelled},
    {RolloutState::halted_target, RolloutEvent::supersede, Cause::engine, RolloutState::superseded},
};

constexpr std::array<std::string_view, kRolloutStates> kRolloutStateNames{
    "waiting_approval", "scheduled", "running",   "waiting_approval", "paused",    "halted",
    "completed",        "halted",    "cancelled", "expired",          "superseded"};
constexpr std::array<std::string_view, kRolloutStates - 2> kDistinctNames{
    "waiting_approval", "scheduled", "running", "paused",    "halted",
    "completed",        "cancelled", "expired", "superseded"};
constexpr std::array<std::string_view, kRolloutEvents> kRolloutEventNames{
    "created",      "created",         "created",   "approved", "approved",  "denied",   "started",
    "stage_opened", "approval_needed", "paused",    "resumed",  "halted",    "advanced", "completed",
    "completed",    "retried",         "cancelled", "expired",  "superseded"};

}  // namespace

std::span<const RolloutTransition> rollout_transitions() { return kRolloutTable; }

std::optional<RolloutState> next_state(std::optional<RolloutState> from, RolloutEvent event, Cause by,
                                       RolloutState before_halt) {
  for (const auto& row : kRolloutTable) {
    if (row.from != from || row.event != event || row.by != by) continue;
    if (from == RolloutState::halted && event == RolloutEvent::resume && row.to != before_halt) continue;
    return row.to;
  }
  return {};
}

std::string_view to_string(RolloutState state) { return kRolloutStateNames.at(static_cast<std::size_t>(state)); }
std::string_view to_string(RolloutEvent event) { return kRolloutEventNames.at(static_cast<std::size_t>(event)); }
std::span<const std::string_view> rollout_state_names() { return kDistinctNames; }

}  // namespace ota
