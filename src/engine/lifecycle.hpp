// Tasks from their making to their end: rows, changes of state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ota/base/result.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

inline constexpr int kMaxQueuedOfDevice = 1'000;  ///< more tasks of one device than that are passed over

/// Who or what changes a task: the table's cause, and the name that the log shows.
struct Actor {
  Cause cause;
  std::string name;
};
inline Actor by_engine() { return {Cause::engine, "engine"}; }
inline Actor by_timer() { return {Cause::timer, "timer"}; }
inline Actor by_device() { return {Cause::device, "device"}; }
inline Actor by_operator(std::string name) { return {Cause::operator_, std::move(name)}; }

/// 20261122: part of the ids of tasks and rollouts.
int day_of(WallTime time);

class Lifecycle {
 public:
  explicit Lifecycle(TaskService& service) : service_(service) {}

  /// The row, with what the active transfers know merged in. Nothing where it isn't there or can't be read.
  std::optional<Task> load(std::int64_t number);
  std::optional<Task> load_active(const std::string& device);
  void save(Task& task);
  Task& insert(Task& task, const std::string& actor);
  /// One transition of the table, with its timers, its slot and its log line. Errc::wrong_state where the table
  /// refuses.
  Result<void> change(Task& task, TaskEvent event, const Actor& by, const std::string& reason = {});
  /// The device's message is about this task: a sign of life, which keeps an offer open.
  void record_activity(Task& task);
  /// Ends the device's waiting tasks for `version` and older ones.
  void supersede_up_to(const std::string& device, const std::string& version);
  /// At start: what a crash may have swallowed is sent again, and timers get their full time.
  void resume_active();

 private:
  void log_change(const Task& task, TaskEvent event, TaskState from, const Actor& by, const std::string& reason);
  /// It took a slot, or left it.
  void move_slot(Task& task);
  void count_delivery(const Task& task);
  void count_end(const Task& task);
  void end(Task& task);

  TaskService& service_;
};

}  // namespace ota::engine
