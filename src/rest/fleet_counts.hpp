// Counts of the fleet's devices, as several responses have them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ota/storage/fleet.hpp"
#include "rest/context.hpp"
#include "rest/json.hpp"

namespace ota::rest {

/// Since when a device must have been seen to be living.
WallTime living_since(const Context& context);
/// The same as UTC day since 1970.
std::int64_t living_since_day(const Context& context);

/// Those that most devices run; what is beyond `most` rows is summed up in the last one, of the version `(others)`.
std::vector<storage::FleetCount> largest(std::vector<storage::FleetCount> counts, std::size_t most);

/// A version that devices of one channel and hardware run.
Json version_json(const storage::FleetCount& count);

}  // namespace ota::rest
