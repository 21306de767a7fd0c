// Whether a device may install what its rollout brought it (docs/fleet.md, The gate).
#pragma once

#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/rollout_rules.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

class Gate {
 public:
  explicit Gate(TaskService& service) : service_(service) {}

  /// Why the task's device may not install now; nothing: it may.
  struct Refusal {
    HoldReason reason = HoldReason::pace;
    GateRefusal rule = GateRefusal::none;  ///< none: window or consent
    std::optional<WallTime> until{};
  };
  std::optional<Refusal> check(const Task& task, const Device& device);

  /// The image of a rollout's task is verified: it passes the gate, or waits there. The answer is `success` or `hold`.
  Result<Answer> verified(Task& task, Device& device);
  /// The same of one that only polls, before it is shown the task: check() lets it pass. The caller saves it.
  void passed_unseen(Task& task, const Device& device);
  /// `hold`, as it waits there now.
  Answer hold(const Task& task);
  /// The device doesn't want to install before `until`, which its rollout limits. The answer is `hold`, or `success`
  /// where it may not wait any longer.
  Answer postpone(Task& task, WallTime until);
  /// Lets those through that wait there, longest first, while there is room. Answers when to look again where time
  /// alone opens it.
  std::optional<Millis> release(const Rollout& rollout);

  /// Of a task past the gate: the end of its `soak_s`, and the time from the gate until its device must have been seen.
  Millis soak_end(const Task& task);
  Millis proof_time(const Task& task);
  /// Its `soak_s` is over, or the time in which its device should have been seen after.
  void on_time_up(Task& task);
  /// The device was seen: where it said that it runs the version, and `soak_s` is over, that is proof.
  void on_contact(const std::string& device);
  /// It says that it runs the version: proof, or to be proved. False: not a matter of a rollout.
  bool on_version(Task& task);

 private:
  Result<void> pass(Task& task, Device& device, TaskEvent event);
  Answer hold(const Task& task, const Refusal& refusal) const;
  /// The device's channel is in a maintenance window, or it needs none.
  std::optional<Refusal> check_window(const Rollout& rollout, const Device& device) const;

  TaskService& service_;
};

}  // namespace ota::engine
