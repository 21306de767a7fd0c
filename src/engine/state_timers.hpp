// How long a task stays in its state, and what follows when that time is over. The one place in the engine that a new
// state changes.
#pragma once

#include <optional>

#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

class StateTimers {
 public:
  explicit StateTimers(TaskService& service) : service_(service) {}

  /// Sets the timer of the task's state to its full time.
  void arm(Task& task);
  /// Carries out what is due now: of tasks and devices at most 500 each.
  void run();
  /// The same until nothing is due any more.
  void run_all();
  /// When the next one is due, in engine time.
  std::optional<Millis> next();

 private:
  void on_due(Task& task);
  void on_state_due(Task& task);

  TaskService& service_;
};

}  // namespace ota::engine
