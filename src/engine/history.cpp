#include "engine/history.hpp"

#include <algorithm>
#include <vector>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kRolloutsEvery = std::chrono::minutes{1};
constexpr auto kKeep = std::chrono::days{366};  ///< of fleets; of rollouts, after their end
constexpr int kFleetPoints = 10'000;  ///< in an hour; devices choose their versions, so there may be many
constexpr int kPointsPrunedAtOnce = 20'000;

}  // namespace

void History::run() {
  if (!moved_.empty()) add_rollout_points();
  const auto hour = std::chrono::floor<std::chrono::hours>(service_.wall());
  if (hour != fleet_hour_) add_fleet_points(hour);
}

void History::add_rollout_points() {
  for (auto at = moved_.begin(); at != moved_.end();) {
    const auto known = rollouts_.find(*at);
    if (known != rollouts_.end() && service_.now() - known->second.at < kRolloutsEvery) {
      ++at;
      continue;
    }
    const auto& counts = service_.rollouts.counts(*at).all();
    if (known == rollouts_.end() || known->second.counts != counts) {
      service_.rows.rollouts().add_point(*at, {service_.wall(), counts});
      rollouts_[*at] = {counts, service_.now()};
    }
    at = moved_.erase(at);
  }
}

void History::load_fleet() {
  fleet_.clear();
  for (const auto& point : service_.rows.fleet().last_points(kFleetPoints))
    if (point.devices > 0) fleet_[{point.channel, point.hardware, point.version}] = point.devices;
  fleet_loaded_ = true;
}

void History::add_fleet_points(WallTime hour) {
  if (!fleet_loaded_) load_fleet();
  std::map<Key, std::int64_t> now;
  for (const auto& count : service_.rows.fleet().counts({}, 0))
    now[{count.channel, count.hardware, count.version}] += count.devices;
  // What is gone first; then those that most devices run.
  std::vector<std::pair<Key, std::int64_t>> changed;
  for (const auto& [key, devices] : fleet_)
    if (!now.contains(key)) changed.emplace_back(key, 0);
  const auto gone = static_cast<std::ptrdiff_t>(changed.size());
  for (const auto& [key, devices] : now)
    if (const auto known = fleet_.find(key); known == fleet_.end() || known->second != devices)
      changed.emplace_back(key, devices);
  std::stable_sort(changed.begin() + gone, changed.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (changed.size() > kFleetPoints) changed.resize(kFleetPoints);
  for (const auto& [key, devices] : changed) {
    service_.rows.fleet().add_point({key[0], key[1], key[2], hour, devices});
    if (devices > 0)
      fleet_[key] = devices;
    else
      fleet_.erase(key);
  }
  service_.rows.fleet().prune_points(hour - kKeep, kPointsPrunedAtOnce);
  service_.rows.rollouts().prune_points(hour - kKeep, kPointsPrunedAtOnce);
  fleet_hour_ = hour;
}

}  // namespace ota::engine
