// JSON of rollouts and windows (docs/rest.md, Rollouts).
#pragma once

#include <optional>
#include <vector>

#include "ota/domain/bucket.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/engine/fleet_control.hpp"
#include "rest/context.hpp"
#include "rest/json.hpp"

namespace ota::rest {

/// A list; null: always open.
Json windows_json(const Windows& windows);

Json counts_json(const BucketCounts& counts);

/// Which rollout it is, and its state.
Json rollout_name_json(const Rollout& rollout);

/// What rollouts are seen against.
struct Moment {
  WallTime now{};
  bool slots_full = false;
};
Moment moment_of(const Context& context);

/// As in a list.
Json rollout_json(storage::ReadView& view, const Rollout& rollout, const Moment& moment);
/// As the response for one rollout: also what its devices come from, failures, its rate and its end.
Json whole_rollout_json(storage::ReadView& view, const Rollout& rollout, const Moment& moment);

/// Of those that are open: which they are, what they wait for, and their buckets.
Json open_rollouts_json(storage::ReadView& view, const Moment& moment);

Json plan_json(storage::ReadView& view, const engine::RolloutPlan& plan);

/// All states that a name stands for; empty: it is no state.
std::vector<RolloutState> states_named(std::string_view name);
/// Neither completed nor ended, and halted after they completed.
std::vector<RolloutState> open_states();

}  // namespace ota::rest
