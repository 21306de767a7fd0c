#include "rest/fleet_counts.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "rest/or_null.hpp"

namespace ota::rest {

WallTime living_since(const Context& context) {
  const auto living = context.probes.living ? context.probes.living() : std::chrono::days{7};
  return context.clock.wall() - living;
}

std::int64_t living_since_day(const Context& context) {
  return std::chrono::floor<std::chrono::days>(living_since(context)).time_since_epoch().count();
}

std::vector<storage::FleetCount> largest(std::vector<storage::FleetCount> counts, std::size_t most) {
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.devices > b.devices; });
  if (counts.size() <= most) return counts;
  storage::FleetCount others;
  others.version = "(others)";
  for (auto i = most - 1; i < counts.size(); ++i) {
    others.devices += counts[i].devices;
    others.living += counts[i].living;
  }
  counts.resize(most - 1);
  counts.push_back(std::move(others));
  return counts;
}

Json version_json(const storage::FleetCount& count) {
  return {{"version", or_null(count.version)},
          {"pinned", count.pinned},
          {"devices", count.devices},
          {"living", count.living}};
}

}  // namespace ota::rest
