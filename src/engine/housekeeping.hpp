#pragma once

#include <cstdint>

namespace ota::engine {

class TaskService;

inline constexpr const char* kTimelineKey = "timeline_ms";  ///< under which the database keeps the engine's clock

/// Old rows go.
class Housekeeping {
 public:
  explicit Housekeeping(TaskService& service) : service_(service) {}

  /// Old logs and answers, ended tasks, absent strangers: a bounded number of each. True where more are left.
  bool run();
  /// Persists how late it is on the engine's clock.
  void keep_time();

 private:
  /// Tasks that ended before tasks.keep_days go with their logs, oldest first; true where more may be left.
  bool prune_tasks();

  /// After a long pause, for a day: the clock may be wrong, and what it makes old stays.
  bool keeps_all();

  TaskService& service_;
  bool warned_ = false;
  std::int64_t pruned_up_to_ = 0;  // the last task that prune_tasks() looked at
};

}  // namespace ota::engine
