// The last value of each enumeration that the database keeps as a number.
#pragma once

#include <cstdint>

#include "ota/domain/action.hpp"
#include "ota/domain/api_key.hpp"
#include "ota/domain/bucket.hpp"
#include "ota/domain/event.hpp"
#include "ota/domain/link.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/priority.hpp"
#include "ota/domain/rollout_state.hpp"
#include "ota/domain/task.hpp"

namespace ota::storage {

constexpr std::int64_t last_value(Priority) { return static_cast<std::int64_t>(Priority::low); }
constexpr std::int64_t last_value(Confirm) { return static_cast<std::int64_t>(Confirm::automatic); }
constexpr std::int64_t last_value(WaitReason) { return static_cast<std::int64_t>(WaitReason::chunk_size); }
constexpr std::int64_t last_value(TaskState) { return static_cast<std::int64_t>(kTaskStates) - 1; }
constexpr std::int64_t last_value(LinkVerdict) { return static_cast<std::int64_t>(LinkVerdict::poor); }
constexpr std::int64_t last_value(Transport) { return static_cast<std::int64_t>(Transport::mqtt); }
constexpr std::int64_t last_value(Protocol) { return static_cast<std::int64_t>(Protocol::latest); }
constexpr std::int64_t last_value(ContactClass) { return static_cast<std::int64_t>(kContactClasses) - 1; }
constexpr std::int64_t last_value(RolloutState) { return static_cast<std::int64_t>(kRolloutStates) - 1; }
constexpr std::int64_t last_value(Bucket) { return static_cast<std::int64_t>(kBuckets) - 1; }
constexpr std::int64_t last_value(ActionState) { return static_cast<std::int64_t>(ActionState::closed); }
constexpr std::int64_t last_value(EventType) { return static_cast<std::int64_t>(kEventTypes) - 1; }
constexpr std::int64_t last_value(Role) { return static_cast<std::int64_t>(Role::admin); }

}  // namespace ota::storage
