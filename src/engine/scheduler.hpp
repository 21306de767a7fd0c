// Who is next: places in the queue, slots, pre-emption (docs/rest.md, the queue).
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
  void mark_dirty(const std::string& device);
  /// Ends a command: brings the places of dirty devices in the queue up to date, fills free slots. An offer to `asker`
  /// is not pushed: it is the command's answer.
  void schedule(const std::string& asker = {});
  /// After a unit was undone: what was to be looked at is decided again.
  void discard() { dirty_.clear(); }

 private:
  /// Brings the device's place in the queue up to date, and why each of its tasks waits. Where it is `alone` to be
  /// looked at, a slot is free and nobody waits, answers the task that is next, in place of putting it into the queue.
  /// `asker`: as in schedule().
  std::optional<Task> update_readiness(const std::string& device, const std::string& asker, bool alone = false);
  /// Why the task can't start, beside other tasks and other devices; none: it could.
  WaitReason gate(Task& task, const std::optional<Device>& device, bool present);
  /// The same for a device that only polls.
  WaitReason poll_gate(Task& task, const Device& device, const std::string& asker);
  void set_wait(Task& task, WaitReason reason);
  void leave_queue(Task& task, WaitReason reason);
  void await_digests(Task& task);
  bool waits_for_uplink(const Device& device, const Task* best);
  bool is_free_for(const Task& best);
  bool is_still_ready(Task& task, const std::string& asker);
  bool free_slot_for(Task& task);
  bool slot_is_free();
  void fill_slots(const std::string& asker);
  void dispatch(Task& task, const std::string& asker);
  void preempt(Task& task);
  Priority effective_priority(const Task& task) const;
  /// The place among waiting tasks; the lowest is the next.
  std::tuple<bool, Priority, bool, std::int64_t> rank(const Task& task) const;

  TaskService& service_;
  std::set<std::string> dirty_;
  std::uint64_t nothing_since_ = 0;  // SlotQueue::version() when there was nothing to do
};

}  // namespace ota::engine
