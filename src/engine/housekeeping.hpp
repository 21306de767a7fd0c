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

  /// The clock leapt at the start: what would be removed by it stays for a day.
  bool doubts_clock();

  TaskService& service_;
  bool told_ = false;
  std::int64_t pruned_up_to_ = 0;  // the last task that prune_tasks() looked at
};

}  // namespace ota::engine
