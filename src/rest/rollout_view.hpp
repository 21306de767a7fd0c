// One rollout as operators see it.
#pragma once

#include "ota/domain/rollout.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// The id in the path; Errc::not_found if it is not a rollout's id.
Result<RolloutId> rollout_id_of(const Call& call);

/// Errc::not_found, also if the number exists with another day.
Result<Rollout> find_rollout(storage::ReadView& view, const RolloutId& id);

/// The complete JSON, with `Location` if the status is 201. If the database can't be read, only which rollout it is and
/// its state, because the engine has already done what was requested.
Answering show_rollout(Context& context, Rollout rollout, unsigned status);

}  // namespace ota::rest
