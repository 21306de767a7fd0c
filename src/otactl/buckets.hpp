// The buckets of a rollout (docs/fleet.md, Buckets) as bars and words.
#pragma once

#include <string>

#include "otactl/json.hpp"
#include "otactl/terminal.hpp"

namespace ota::otactl {

/// Devices that are in: assigned, staged, soaking, overdue, healthy and failed.
std::int64_t members_of(const Json& buckets);

/// `total`: devices for the whole width.
std::string bucket_bar(const Json& buckets, std::int64_t total, std::size_t width, const Style& style);

/// `61 healthy, 9 soaking, 1 overdue`: those that aren't 0.
std::string bucket_words(const Json& buckets);

/// What the bar's characters mean.
std::string bucket_legend(const Style& style);

}  // namespace ota::otactl
