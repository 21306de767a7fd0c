#include "rest/fleet_metrics.hpp"

#include <map>
#include <utility>

#include "rest/fleet_counts.hpp"
#include "rest/rollout_json.hpp"

namespace ota::rest {
namespace {

constexpr int kOpen = 1'000;
constexpr int kLast = 20;
constexpr std::size_t kMostRows = 1'000;

std::vector<FleetNumbers::OfRollout> rollouts(storage::ReadView& view) {
  std::map<std::int64_t, Rollout> shown;
  for (auto& rollout : view.rollouts.list({{}, open_states()}, 0, kOpen))
    shown.emplace(rollout.id.number, std::move(rollout));
  for (auto& rollout : view.rollouts.list({}, 0, kLast)) shown.emplace(rollout.id.number, std::move(rollout));
  std::vector<FleetNumbers::OfRollout> found;
  found.reserve(shown.size());
  for (auto& [number, rollout] : shown) found.push_back({std::move(rollout), view.rollouts.counts(number).all()});
  return found;
}

/// Pinned ones with the others.
std::vector<storage::FleetCount> devices(storage::ReadView& view) {
  std::vector<storage::FleetCount> found;
  for (auto& count : view.fleet.counts({}, 0)) {
    const bool same = !found.empty() && found.back().channel == count.channel &&
                      found.back().hardware == count.hardware && found.back().version == count.version;
    if (same)
      found.back().devices += count.devices;
    else
      found.push_back(std::move(count));
  }
  return largest(std::move(found), kMostRows);
}

}  // namespace

FleetNumbers fleet_numbers(storage::ReadView& view) { return {rollouts(view), devices(view)}; }

void add_fleet(MetricsPage& page, const FleetNumbers& numbers) {
  constexpr auto kDevices = "otad_rollout_devices";
  page.begin(kDevices, "Devices of a rollout by bucket", "gauge");
  for (const auto& [rollout, counts] : numbers.rollouts)
    for (std::size_t i = 0; i < counts.size(); ++i)
      page.sample(kDevices, {{"rollout", rollout.id.str()}, {"bucket", std::string(to_string(static_cast<Bucket>(i)))}},
                  static_cast<double>(counts[i]));
  constexpr auto kState = "otad_rollout_state";
  page.begin(kState, "1 for the state that a rollout is in", "gauge");
  for (const auto& [rollout, counts] : numbers.rollouts)
    page.sample(kState, {{"rollout", rollout.id.str()}, {"state", std::string(to_string(rollout.state))}}, 1);
  constexpr auto kBudget = "otad_rollout_budget";
  page.begin(kBudget, "Devices of a rollout that may fail until it halts", "gauge");
  for (const auto& [rollout, counts] : numbers.rollouts)
    page.sample(kBudget, {{"rollout", rollout.id.str()}}, static_cast<double>(rollout.budget));
  constexpr auto kFleet = "otad_fleet_devices";
  page.begin(kFleet, "Devices by channel, hardware and version; all beyond 1,000 rows in one of version (others)",
             "gauge");
  for (const auto& count : numbers.devices)
    page.sample(kFleet, {{"channel", count.channel}, {"hardware", count.hardware}, {"version", count.version}},
                static_cast<double>(count.devices));
}

}  // namespace ota::rest
