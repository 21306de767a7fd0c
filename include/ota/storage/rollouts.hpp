#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/bucket.hpp"
#include "ota/domain/rollout.hpp"

namespace ota::storage {

class Database;

struct RolloutFilter {
  std::optional<std::string> channel;
  std::vector<RolloutState> states;  ///< empty: all
};

/// Rollouts with their stages, from one connection's thread. Every function may throw Fault; those that answer one
/// rollout BadRow.
class Rollouts {
 public:
  explicit Rollouts(Database& db);
  ~Rollouts();

  /// Gives it its number. Fault::Kind::constraint where one is open for that channel and hardware.
  void insert(Rollout& rollout);
  void update(const Rollout& rollout);
  void set_walked(std::int64_t rollout, std::uint64_t walked);
  std::optional<Rollout> find(std::int64_t number);
  /// All that have not ended, oldest first.
  std::vector<Rollout> living();
  /// Newest first; `before` is a number (0: from the newest).
  std::vector<Rollout> list(const RolloutFilter& filter, std::int64_t before, int limit);

  RolloutCounts counts(std::int64_t rollout);
  /// Makes the counters of all rollouts equal to a recount; answers how many counters were wrong.
  int recount();

  /// The newest members in `bucket`, those longest there first, after (`since`, `task`); `reason` empty: any.
  struct MembersFrom {
    WallTime since{};
    std::int64_t task = 0;
  };
  std::vector<Task> members(std::int64_t rollout, Bucket bucket, const std::string& reason, MembersFrom after,
                            int limit);
  /// All members in the order of their tasks' numbers, after `after`.
  std::vector<Task> report(std::int64_t rollout, std::int64_t after, int limit);
  /// How many members wait at the gate longer than that task, counted up to 1,000.
  std::int64_t staged_before(const Task& task);
  /// How many devices of its channel and hardware failed the same firmware in other rollouts.
  std::int64_t failed_elsewhere(const Rollout& rollout);
  /// Rollouts that have ended with tasks before the gate that have not.
  std::vector<std::int64_t> ended_with_members();
  /// Open tasks before the gate, at most `limit`.
  std::vector<std::int64_t> before_gate(std::int64_t rollout, int limit);
  /// Reasons of failed and undelivered members, most frequent first, at most `limit`, each with up to 10 devices.
  struct Failures {
    std::string reason;
    std::int64_t count = 0;
    std::vector<std::string> devices;
  };
  std::vector<Failures> failures(std::int64_t rollout, int limit);

  struct Point {
    WallTime at{};
    BucketCounts counts{};
  };
  void add_point(std::int64_t rollout, const Point& point);
  /// The last of each `step` (at least 1 ms), after `after`.
  std::vector<Point> points(std::int64_t rollout, WallTime after, Millis step, int limit);
  /// The last one up to `at`.
  std::optional<Point> point_before(std::int64_t rollout, WallTime at);
  /// Removes at most `limit` points of rollouts that ended before that.
  void prune_points(WallTime ended_before, int limit);
  /// Healthy members that were not seen since `before`, counted up to `most`. `since`: all members were seen after it.
  std::int64_t silent_since(std::int64_t rollout, WallTime since, WallTime before, int most);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
