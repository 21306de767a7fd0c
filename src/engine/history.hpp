// Rollouts and the fleet over time: points in the database, written where a number changed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/bucket.hpp"

namespace ota::engine {

class TaskService;

class History {
 public:
  explicit History(TaskService& service) : service_(service) {}

  /// The counters of that rollout may have changed.
  void note(std::int64_t rollout) { moved_.insert(rollout); }
  /// Writes the points that are due: of each rollout at most one a minute, of the fleet once an hour.
  void run();

 private:
  using Key = std::array<std::string, 3>;  // channel, hardware, version

  void add_rollout_points();
  void add_fleet_points(WallTime hour);
  void load_fleet();

  TaskService& service_;
  std::set<std::int64_t> moved_;
  struct Written {
    BucketCounts counts{};
    Millis at{};  // of the engine's clock
  };
  std::map<std::int64_t, Written> rollouts_;  // as written last
  std::map<Key, std::int64_t> fleet_;  // as written last, without zeros
  bool fleet_loaded_ = false;
  WallTime fleet_hour_{};
};

}  // namespace ota::engine
