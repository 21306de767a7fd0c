// Who is next: places in the queue, slots, pre-emption, timers (docs/rest.md, the queue).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

class Scheduler {
 public:
  explicit Scheduler(TaskService& service) : service_(service) {}

  /// The device is to be looked at again before this command ends.
  void mark_dirty(const std::string& device) { dirty_.insert(device); }
  /// Ends a command: brings the places of dirty devices in the queue up to date, fills free slots. An offer to `asker`
  /// is not pushed: it is the command's answer.
  void schedule(const std::string& asker = {});
  void run_timers();
  std::optional<Millis> next_timer();
  std::int64_t slots() const { return slots_; }
  /// A task took a slot (1) or left it (-1).
  void count_slot(int change) { slots_ += change; }
  void resync();

 private:
  /// Brings the device's place in the queue up to date. Where it is `alone` to be looked at, a slot is free and nobody
  /// waits, answers the task that is next, in place of putting it into the queue.
  std::optional<Task> update_readiness(const std::string& device, bool alone = false);
  /// The task of the device that is next for it.
  std::optional<Task> best_of(const std::string& device);
  void fill_slots(const std::string& asker);
  bool dispatch(Task& task, const std::string& asker);
  void enqueue(std::int64_t task);
  void preempt(Task& task);
  void on_due(Task& task);
  void on_state_due(Task& task);
  Priority effective_priority(const Task& task) const;
  /// The place among waiting tasks; the lowest is the next.
  std::tuple<bool, Priority, std::int64_t> rank(const Task& task) const;

  TaskService& service_;
  std::set<std::string> dirty_;
  std::int64_t slots_ = 0;
};

}  // namespace ota::engine
