// Metrics of rollouts and of the fleet (docs/rest.md, Audit, health, metrics).
#pragma once

#include <vector>

#include "ota/domain/bucket.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/storage/fleet.hpp"
#include "ota/storage/readers.hpp"
#include "rest/metrics_text.hpp"

namespace ota::rest {

struct FleetNumbers {
  struct OfRollout {
    Rollout rollout;
    BucketCounts counts{};
  };
  std::vector<OfRollout> rollouts;             ///< open ones, and the last 20
  std::vector<storage::FleetCount> devices{};  ///< at most 1,000 rows, see largest()
};
FleetNumbers fleet_numbers(storage::ReadView& view);

void add_fleet(MetricsPage& page, const FleetNumbers& numbers);

}  // namespace ota::rest
