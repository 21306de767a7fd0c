#include "engine/gate.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/confirmation.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr int kLookedAt = 256;                           // staged tasks in one look
constexpr Millis kWindowLook = std::chrono::minutes{1};  // windows in devices' own zones open one after another
constexpr Millis kGrace{60'000};      // for devices that could not be heard while the daemon was down
constexpr int kAskAgain = 60;         // s
constexpr int kAskAgainMost = 3'600;  // s

HoldReason reason_of(GateRefusal refusal) {
  switch (refusal) {
    case GateRefusal::paused:
      return HoldReason::paused;
    case GateRefusal::approval:
      return HoldReason::approval;
    case GateRefusal::halted:
    case GateRefusal::not_running:
    case GateRefusal::blocked:
      return HoldReason::halted;
    default:
      return HoldReason::pace;
  }
}

}  // namespace

std::optional<Gate::Refusal> Gate::check_window(const Rollout& rollout, const Device& device) const {
  const auto* channel = service_.channels.find(rollout.spec.channel);
  if (!channel || channel->windows.empty() || rollout.spec.ignore_window) return {};
  const auto window = window_state(channel->windows, device.timezone, service_.wall());
  if (window.open) return {};
  return Refusal{HoldReason::window, GateRefusal::none, window.next};
}

std::optional<Gate::Refusal> Gate::check(const Task& task, const Device& device) {
  const auto* rollout = service_.rollouts.find(task.rollout);
  if (!rollout) return Refusal{HoldReason::halted, GateRefusal::not_running};
  const auto refused = gate(*rollout, service_.rollouts.firmware(*rollout), service_.rollouts.counts(task.rollout),
                            task.from_version, task.contact);
  const bool by_pace = refused == GateRefusal::budget || refused == GateRefusal::max_soaking;
  if (refused != GateRefusal::none && !by_pace) return Refusal{reason_of(refused), refused};
  if (!service_.trust.trusted(task)) return Refusal{HoldReason::halted, GateRefusal::blocked};
  if (auto closed = check_window(*rollout, device)) return closed;
  if (task.postponed_until && *task.postponed_until > service_.wall())
    return Refusal{HoldReason::postponed, GateRefusal::none, task.postponed_until};
  if (by_pace) return Refusal{HoldReason::pace, refused};
  return {};
}

Result<void> Gate::pass(Task& task, Device& device, TaskEvent event) {
  task.passed_tl = service_.now();
  task.contact = contact_class(device.gap);
  task.overdue = task.reported = false;
  task.postponed_until.reset();
  const auto by = event == TaskEvent::release ? by_engine() : by_device();
  if (auto done = service_.lifecycle.change(task, event, by); !done) return done;
  device.last_update = task.id.number;
  service_.rows.unit.put(device);
  service_.rollouts.note_news(task.rollout);
  return {};
}

void Gate::passed_unseen(Task& task, const Device& device) {
  task.passed_tl = service_.now();
  task.contact = contact_class(device.gap);
  task.overdue = task.reported = false;
  service_.rollouts.note_news(task.rollout);
}

Answer Gate::hold(const Task& task, const Refusal& refusal) const {
  HoldAnswer answer;
  answer.task = task.id;
  answer.reason = refusal.reason;
  answer.until = refusal.until;
  answer.retry_after_s = kAskAgain;
  if (refusal.until) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(*refusal.until - service_.wall()).count();
    answer.retry_after_s = static_cast<int>(std::clamp<std::int64_t>(wait, 1, kAskAgainMost));
  }
  return answer;
}

Answer Gate::hold(const Task& task) {
  const auto device = service_.registry.find(task.device);
  const auto refusal = device ? check(task, *device) : std::nullopt;
  return hold(task, refusal.value_or(Refusal{}));
}

Result<Answer> Gate::verified(Task& task, Device& device) {
  task.contact = contact_class(device.gap);
  if (!device.current_version.empty()) task.from_version = device.current_version;
  task.retry_due.reset();
  if (!task.staged_tl) task.staged_tl = service_.now();
  // What this command changed before may close it.
  service_.lifecycle.save(task);
  service_.rollouts.settle();
  if (const auto current = service_.lifecycle.load(task.id.number)) task = *current;
  if (is_ended(task.state)) return service_.replies.ended(task);
  if (task.state == TaskState::installing) return Answer{service_.replies.success(task)};
  const auto refusal = check(task, device);
  if (!refusal) {
    if (auto done = pass(task, device, TaskEvent::verified_pending_confirm); !done) return done.error();
    return Answer{service_.replies.success(task)};
  }
  if (task.state != TaskState::staged)
    if (auto done = service_.lifecycle.change(task, TaskEvent::verified_held, by_device(),
                                              std::string(to_string(refusal->reason)));
        !done)
      return done.error();
  return hold(task, *refusal);
}

Answer Gate::postpone(Task& task, WallTime until) {
  if (!service_.rollouts.goes_on(task.rollout)) {
    // Whose rollout has ended and doesn't install now is before the gate again, which never opens any more.
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::supersede, by_engine(), "rollout_cancelled"));
    return CancelAnswer{task.id, CancelReason::rollout_cancelled};
  }
  const auto& rollout = *service_.rollouts.find(task.rollout);
  const auto since = task.staged_tl.value_or(service_.now());
  const auto limit = service_.wall() + (since - service_.now()) + std::chrono::seconds{rollout.spec.postpone_s};
  // Longer than that it may not: it is told again what it was told.
  if (limit <= service_.wall())
    return task.state == TaskState::installing ? Answer{service_.replies.success(task)} : hold(task);
  task.postponed_until = std::min(until, limit);
  if (task.state == TaskState::installing) {
    task.passed_tl.reset();
    if (auto done = service_.lifecycle.change(task, TaskEvent::postpone, by_device(), "postponed"); !done)
      return ErrorAnswer{done.error(), task.id};
  }
  service_.timers.arm(task);
  service_.lifecycle.save(task);
  return hold(task, {HoldReason::postponed, GateRefusal::none, task.postponed_until});
}

std::optional<Millis> Gate::release(const Rollout& rollout) {
  const auto number = rollout.id.number;
  if (!gate_is_open(rollout.state) || service_.rollouts.counts(number).of(Bucket::staged) == 0) return {};
  std::optional<Millis> again;
  const auto look_at = [&](WallTime at) {
    const auto due = service_.now() + std::clamp<Millis>(at - service_.wall(), Millis{1}, kWindowLook);
    if (!again || due < *again) again = due;
  };
  for (auto& found : service_.rows.rollouts().members(number, Bucket::staged, {}, {}, kLookedAt)) {
    if (room(rollout, service_.rollouts.counts(number)) == 0) break;
    auto device = service_.registry.find(found.device);
    if (!device) continue;
    found.contact = contact_class(device->gap);  // as pass() counts it
    const auto refusal = check(found, *device);
    if (refusal && refusal->until) look_at(*refusal->until);
    // One that is absent asks by itself when it comes back.
    if (refusal || device->present_until_tl <= service_.now()) continue;
    auto task = service_.lifecycle.load(found.id.number);
    if (!task || !pass(*task, *device, TaskEvent::release)) continue;
    service_.push(task->device, service_.replies.success(*task));
  }
  return again;
}

Millis Gate::soak_end(const Task& task) {
  const auto rollout = service_.rollouts.read(task.rollout);
  return task.passed_tl.value_or(service_.now()) + std::chrono::seconds{rollout ? rollout->spec.soak_s : 0};
}

Millis Gate::proof_time(const Task& task) {
  const auto device = service_.registry.find(task.device);
  return soak_end(task) - task.passed_tl.value_or(service_.now()) + 3 * usual_gap(device ? device->gap : Millis{0});
}

void Gate::on_time_up(Task& task) {
  const auto device = service_.registry.find(task.device);
  const auto soaked = soak_end(task);
  if (!task.overdue) {
    task.overdue = true;
    const auto gaps = 3 * usual_gap(device ? device->gap : Millis{0});
    task.state_due = std::max(soaked + gaps, service_.now() + std::min(gaps, kGrace));
    service_.lifecycle.save(task);
    return;
  }
  // A device that was seen since and doesn't say what it runs is there, but not proved.
  const auto soaked_at = service_.wall() - (service_.now() - soaked);
  const bool seen = device && device->last_seen && *device->last_seen >= soaked_at;
  const auto event = seen ? TaskEvent::confirm_timeout : TaskEvent::device_lost;
  const std::string reason = seen ? "confirm_timeout" : "silent";
  if (!service_.lifecycle.change(task, event, by_timer(), reason)) return;
  if (auto lost = device) {
    lost->version_confirmed = false;  // what it says when it comes back is news
    service_.rows.unit.put(*lost);
  }
  service_.push(task.device, FailedAnswer{task.id, reason, task.attempt});
}

bool Gate::on_version(Task& task) {
  if (task.rollout == 0 || task.state != TaskState::installing) return false;
  if (service_.now() >= soak_end(task)) return false;
  if (!task.reported) {
    task.reported = true;
    service_.lifecycle.save(task);
  }
  return true;
}

void Gate::on_contact(const std::string& device) {
  auto task = service_.lifecycle.load_active(device);
  if (!task || task->rollout == 0 || task->state != TaskState::installing || !task->reported) return;
  if (service_.now() < soak_end(*task)) return;
  confirm(service_, *task);
}

}  // namespace ota::engine
