// The bodies of POST /rollouts and PATCH /rollouts/{id} (docs/rest.md, Rollouts).
#pragma once

#include "ota/base/result.hpp"
#include "ota/engine/fleet_control.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::rest {

/// `defaults`: what an order has that doesn't say. Errc::malformed names the fields.
Result<engine::RolloutOrder> rollout_order_of(wire::JsonFields fields, RolloutSpec defaults);
/// The same for a change; `null` takes a limit away.
Result<engine::RolloutChange> rollout_change_of(wire::JsonFields fields, RolloutId id);

}  // namespace ota::rest
