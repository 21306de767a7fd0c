// Lists of event types, as operators write them: `rollout.*`, `task.failed`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ota/domain/event.hpp"
#include "ota/wire/json_fields.hpp"

namespace ota::rest {

/// Adds an error of `field` for each that is no type and no group.
EventTypes event_types_of(const std::vector<std::string>& patterns, std::string_view field, wire::FieldErrors& errors);

}  // namespace ota::rest
