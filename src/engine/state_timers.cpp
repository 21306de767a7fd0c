#include "engine/state_timers.hpp"

#include <algorithm>

#include "engine/task_service.hpp"
#include "ota/domain/contact.hpp"

namespace ota::engine {
namespace {

constexpr int kTimersAtOnce = 500;
constexpr int kTimerRounds = 100;

/// How long a device that only polls has to say that it runs the new version, beside tasks.confirm_timeout_s. One that
/// is not told how often to ask is waited for as long as it usually takes.
Millis time_to_tell(const std::optional<Device>& device) {
  if (!device) return Millis{0};
  const bool at_its_own_pace = device->protocol == Protocol::latest;
  return at_its_own_pace ? std::max(device->patience(), 3 * usual_gap(device->gap)) : device->patience();
}

}  // namespace

void StateTimers::arm(Task& task) {
  using std::chrono::seconds;
  const auto& times = service_.options().tasks;
  const auto device = service_.registry.find(task.device);
  const auto patience = device ? device->patience() : Millis{0};
  task.state_due.reset();
  switch (task.state) {
    case TaskState::offered:
      task.state_due = service_.now() + std::max<Millis>(seconds{times.offer_timeout_s}, patience);
      break;
    case TaskState::downloading:
      task.state_due = service_.now() + service_.transports.stall_time(task);
      break;
    case TaskState::retry_wait:
      task.state_due =
          std::max(task.retry_due.value_or(service_.now()), service_.now()) + service_.transports.stall_time(task);
      break;
    case TaskState::installing:
      task.state_due = task.rollout == 0 ? service_.now() + seconds{times.confirm_timeout_s} + time_to_tell(device)
                                         : service_.gate.soak_end(task);
      break;
    case TaskState::staged:
      if (task.postponed_until) task.state_due = service_.clock().at(*task.postponed_until);
      break;
    case TaskState::queued:
    case TaskState::succeeded:
    case TaskState::failed:
    case TaskState::cancelled:
    case TaskState::expired:
      break;
  }
}

std::optional<Millis> StateTimers::next() {
  auto next = service_.rows.tasks().next_due();
  for (const auto& other : {service_.rows.devices().next_lapse(), service_.rollouts.next_timer()})
    if (other && (!next || *other < *next)) next = other;
  return next;
}

void StateTimers::run() {
  service_.trust.withdraw();
  for (const auto& found : service_.rows.tasks().due(service_.now(), kTimersAtOnce))
    if (auto task = service_.lifecycle.load(found.id.number)) on_due(*task);
  service_.rollouts.run_timers();
  for (const auto& device : service_.rows.devices().lapsed(service_.now(), kTimersAtOnce))
    service_.scheduler.mark_dirty(device);
  service_.scheduler.schedule();
}

void StateTimers::run_all() {
  for (int round = 0; round < kTimerRounds; ++round) {
    run();
    const auto due = service_.rows.tasks().next_due();
    if (!due || *due > service_.now()) return;
  }
}

void StateTimers::on_due(Task& task) {
  if (task.expiry_due && *task.expiry_due <= service_.now()) {
    const bool told = is_active(task.state) || task.offered;
    if (service_.lifecycle.change(task, TaskEvent::expire, by_timer(), "expired")) {
      if (told) service_.push(task.device, CancelAnswer{task.id, CancelReason::cancelled});
      return;
    }
  }
  if (task.wait_due && *task.wait_due <= service_.now()) {
    task.wait_due.reset();
    service_.scheduler.mark_dirty(task.device);
  }
  service_.lifecycle.save(task);
  if (task.state_due && *task.state_due <= service_.now()) on_state_due(task);
}

void StateTimers::on_state_due(Task& task) {
  switch (task.state) {
    case TaskState::queued:
      task.state_due.reset();
      if (service_.digests.awaited(task)) task.state_due = service_.now() + LayoutDigests::kAwaitedFor;
      service_.lifecycle.save(task);
      service_.scheduler.mark_dirty(task.device);
      break;
    case TaskState::offered:
      task.parked = true;
      static_cast<void>(service_.lifecycle.change(task, TaskEvent::offer_timeout, by_timer(), "offer_timeout"));
      break;
    case TaskState::downloading:
    case TaskState::retry_wait:
      service_.progress.stalled(task);
      break;
    case TaskState::staged:
      task.postponed_until.reset();
      task.state_due.reset();
      service_.lifecycle.save(task);
      service_.rollouts.mark_dirty(task.rollout);
      break;
    case TaskState::installing:
      if (task.rollout != 0) return service_.gate.on_time_up(task);
      if (const auto device = service_.registry.find(task.device);
          device && device->version_confirmed && device->current_version != task.from_version)
        task.detail = "runs " + device->current_version;  // no version, so it is compared with none
      if (service_.lifecycle.change(task, TaskEvent::confirm_timeout, by_timer(), "confirm_timeout"))
        service_.push(task.device, FailedAnswer{task.id, "confirm_timeout", task.attempt});
      break;
    case TaskState::succeeded:
    case TaskState::failed:
    case TaskState::cancelled:
    case TaskState::expired:
      break;
  }
}

}  // namespace ota::engine
