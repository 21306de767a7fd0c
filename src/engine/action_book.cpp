#include "engine/action_book.hpp"

#include <variant>

#include "engine/confirmation.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr int kBegunAgain = 3;  // downloads of the whole image after it went out once

}  // namespace

std::optional<Action> ActionBook::shown(const Task& task) {
  const bool waits = task.state == TaskState::retry_wait && task.retry_due && service_.now() < *task.retry_due;
  if (!is_active(task.state) || task.state == TaskState::staged || waits) return {};
  auto& actions = service_.rows.actions;
  auto last = actions.last_of(task.id.number);
  if (last && last->attempt == task.attempt && last->state == ActionState::open) return last;
  if (last && task.state == TaskState::installing) return {};
  if (last && last->state == ActionState::open) {
    last->state = ActionState::closed;
    actions.update(*last);
  }
  Action next;
  next.task = task.id.number;
  next.attempt = task.attempt;
  next.device = task.device;
  if (!actions.insert(next)) {
    log::error("no ids for actions are left: hawkBit's clients can't be updated any more");
    return {};
  }
  LogEntry entry;
  entry.kind = "action";
  entry.by = "engine";
  entry.event = "shown";
  entry.reason = std::to_string(next.id);
  service_.log(task, std::move(entry));
  return next;
}

bool ActionBook::may_be_shown(const Task& task, const Device& device) {
  if (task.rollout == 0) return true;
  // As the gate counts it, should it pass.
  auto passing = task;
  passing.from_version = device.current_version;
  passing.contact = contact_class(device.gap);
  return !service_.gate.check(passing, device);
}

void ActionBook::told(const Answer& answer) {
  std::optional<TaskId> task;
  auto state = ActionState::cancelling;
  if (const auto* cancel = std::get_if<CancelAnswer>(&answer)) task = cancel->task;
  if (const auto* failed = std::get_if<FailedAnswer>(&answer)) {
    // One that was lost may come back and say how it went.
    if (failed->reason == "silent" || failed->reason == "confirm_timeout") return;
    task = failed->task;
    state = ActionState::closed;
  }
  if (!task) return;
  auto action = service_.rows.actions.last_of(task->number);
  if (!action || action->state != ActionState::open) return;
  action->state = state;
  service_.rows.actions.update(*action);
}

bool ActionBook::give_up(const Task& task, const std::string& by) {
  auto action = service_.rows.actions.last_of(task.id.number);
  const bool waits =
      action && (action->state == ActionState::cancelling || action->state == ActionState::refused);
  if (!waits) return false;
  action->state = ActionState::closed;
  service_.rows.actions.update(*action);
  LogEntry entry;
  entry.kind = "action";
  entry.by = by;
  entry.event = "given_up";
  entry.reason = std::to_string(action->id);
  service_.log(task, std::move(entry));
  service_.scheduler.mark_dirty(task.device);
  return true;
}

void ActionBook::image_sent(Task& task) {
  if (!holds_slot(task.state) || task.chunks_have < task.grid().count()) return;
  auto device = service_.registry.find(task.device);
  if (!device || !device->only_polls()) return;
  if (!device->current_version.empty()) task.from_version = device->current_version;
  if (task.rollout != 0) task.passed_tl = service_.now();
  if (!service_.lifecycle.change(task, TaskEvent::verified_pending_confirm, by_device())) return;
  device->last_update = task.id.number;
  service_.rows.unit.put(*device);
  if (task.rollout != 0) service_.rollouts.note_news(task.rollout);
}

bool ActionBook::begun_again(Task& task) {
  if (task.state != TaskState::installing) return false;
  if (++task.stalls < kBegunAgain) {
    still_installing(task);
    return false;
  }
  const std::string detail = "it downloaded the whole image again and again";
  if (task.rollout != 0) {
    installation_reported(service_, task, DeviceState::failed, detail);
    return true;
  }
  service_.attempts.set_chunks(task, ChunkBitmap{task.grid().count()});
  service_.attempts.fail(task, by_device(), "downloaded_again", detail);
  return true;
}

void ActionBook::still_installing(Task& task) {
  if (task.state != TaskState::installing || task.reported) return;
  if (task.rollout != 0) {
    task.passed_tl = service_.now();
    task.overdue = false;
  }
  service_.timers.arm(task);
  service_.lifecycle.save(task);
}

}  // namespace ota::engine
