#include "engine/confirmation.hpp"

#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

/// The registry takes the device to run what a progress says; a request says it itself.
void note_running(TaskService& service, const std::string& id, const std::string& version, bool confirmed) {
  auto device = service.registry.find(id);
  if (!device) return;
  service.registry.note_version(*device, version, confirmed);
}

void undone(TaskService& service, Task& task, TaskEvent event, const std::string& reason, const std::string& text) {
  task.confirmed = false;
  task.detail = text;
  const bool waited = task.state == TaskState::installing;
  if (!service.lifecycle.change(task, event, by_device(), reason)) return;
  // What it ran before is the best guess; it may know better, and then a request says so.
  const auto device = service.registry.find(task.device);
  if (device && same_version(device->current_version, task.version) && task.from_version != task.version)
    note_running(service, task.device, task.from_version, false);
  // What it said before it installed is no more than a guess now.
  if (device && event == TaskEvent::install_failed && same_version(device->current_version, task.from_version))
    note_running(service, task.device, device->current_version, false);
  if (waited && event == TaskEvent::other_version)
    service.push(task.device, FailedAnswer{task.id, reason, task.attempt});
}

void judge_installing(TaskService& service, Task& task, const std::string& version) {
  if (same_version(version, task.version)) return confirm(service, task);
  if (!valid_version(version)) return;
  const bool came_from = version == task.from_version || same_version(version, task.from_version);
  if (!came_from && !task.overrides_version() && newer_version(version, task.version)) {
    if (service.lifecycle.change(task, TaskEvent::supersede, by_engine(), "superseded"))
      service.push(task.device, CancelAnswer{task.id, CancelReason::superseded});
    return;
  }
  if (task.from_version.empty()) {  // its first word about a version: what it runs before it restarts
    task.from_version = version;
    return service.lifecycle.save(task);
  }
  // Before `soak_s` is over it may not have restarted yet.
  const bool soaked = task.rollout != 0 && service.now() >= service.gate.soak_end(task);
  if (came_from && !soaked) return;
  undone(service, task, TaskEvent::other_version, "rolled_back", "runs " + version);
}

/// The last update, after it ended.
void judge_ended(TaskService& service, Task& task, const std::string& version) {
  if (!valid_version(version)) return;
  if (same_version(version, task.version)) {
    if (task.state == TaskState::succeeded || task.state == TaskState::failed) confirm(service, task);
    return;
  }
  const bool was_lost = task.state == TaskState::failed && task.reason == "silent";
  if (task.state != TaskState::succeeded && !was_lost) return;
  const bool came_from = same_version(version, task.from_version);
  if (came_from || !newer_version(version, task.version))
    undone(service, task, TaskEvent::other_version, "rolled_back", "runs " + version);
}

/// A task whose image isn't verified yet.
void judge_open(TaskService& service, Task& task, const std::string& version) {
  // What it ran before stays what it falls back to.
  if (!task.overrides_version() && same_version(version, task.version)) return confirm(service, task);
  task.from_version = version;
  if (task.overrides_version()) return service.lifecycle.save(task);
  if (!newer_version(version, task.version)) return service.lifecycle.save(task);
  if (service.lifecycle.change(task, TaskEvent::supersede, by_engine(), "superseded") && task.offered)
    service.push(task.device, CancelAnswer{task.id, CancelReason::superseded});
}

}  // namespace

void confirm(TaskService& service, Task& task) {
  if (task.state == TaskState::succeeded && task.confirmed) return;
  if (service.gate.on_version(task)) return;
  task.confirmed = true;
  if (!service.lifecycle.change(task, TaskEvent::confirmed, by_device())) return;
  if (auto device = service.registry.find(task.device)) {
    device->last_update = task.id.number;
    service.rows.unit.put(*device);
  }
  if (task.rollout != 0) service.rollouts.note_news(task.rollout);
  service.lifecycle.supersede_up_to(task.device, task.version);
}

bool waits_for_confirmation(const Task& task, const Device& device) {
  return task.confirm == Confirm::always || (task.confirm == Confirm::automatic && device.tells_version);
}

Result<Answer> image_verified(TaskService& service, Task& task) {
  auto device = service.registry.find(task.device);
  if (task.rollout != 0 && device) return service.gate.verified(task, *device);
  const bool waits = device && waits_for_confirmation(task, *device);
  if (device && !device->current_version.empty()) task.from_version = device->current_version;
  const auto event = waits ? TaskEvent::verified_pending_confirm : TaskEvent::verified;
  if (auto done = service.lifecycle.change(task, event, by_device()); !done) return done.error();
  if (!device) return Answer{service.replies.success(task)};
  device->last_update = task.id.number;
  if (waits)
    service.rows.unit.put(*device);
  else
    service.registry.note_version(*device, task.version, false);
  if (!waits) service.lifecycle.supersede_up_to(task.device, task.version);
  return Answer{service.replies.success(task)};
}

void version_reported(TaskService& service, Device& device, std::optional<Task>& active, const std::string& version) {
  const bool known = device.version_confirmed && device.tells_version && device.current_version == version;
  const bool news = !known;
  if (!news && (!active || active->state != TaskState::installing)) return;
  device.tells_version = true;
  service.registry.note_version(device, version, true);
  if (news && device.last_update != 0 && (!active || active->id.number != device.last_update)) {
    auto last = service.lifecycle.load(device.last_update);
    if (last && last->device == device.id && is_ended(last->state)) judge_ended(service, *last, version);
  }
  if (active) {
    active->state == TaskState::installing ? judge_installing(service, *active, version)
                                           : judge_open(service, *active, version);
    if (is_ended(active->state)) active.reset();
  }
  if (news)
    for (const auto& found : service.rows.unit.queued_of(device.id, kMaxQueuedOfDevice)) {
      if (newer_version(found.version, version)) continue;
      auto task = service.lifecycle.load(found.id.number);  // the one before it may have ended it
      if (task && task->state == TaskState::queued) judge_open(service, *task, version);
    }
  device = service.registry.find(device.id).value_or(device);
}

std::optional<InstallReport> installation_reported(TaskService& service, Task& task, DeviceState state,
                                                   const std::string& text) {
  const auto device = service.registry.find(task.device);
  const bool last = device && device->last_update == task.id.number;
  const bool waits = task.state == TaskState::installing;
  const bool open_to_it = last && (task.state == TaskState::succeeded || task.state == TaskState::failed);
  if (state == DeviceState::installed) {
    // A copy: the device may have reported another version since.
    if (task.state == TaskState::succeeded && task.confirmed) return InstallReport{};
    // One that waits at the gate runs the version without waiting, and proves nothing.
    if (waits || open_to_it || task.state == TaskState::staged) {
      confirm(service, task);
    } else if (!last) {
      return std::nullopt;
    }
    note_running(service, task.device, task.version, true);
    return InstallReport{};
  }
  if (!waits && !open_to_it) return std::nullopt;
  const bool back = state == DeviceState::rolled_back;
  // Said again, or later: the first cause stands, but for a device that was only late to tell it.
  if (task.state != TaskState::failed || task.reason == "confirm_timeout" || task.reason == "silent")
    undone(service, task, back ? TaskEvent::rolled_back : TaskEvent::install_failed,
           back ? "rolled_back" : "device_failed", text);
  return InstallReport{FailedAnswer{task.id, task.reason, task.attempt}};
}

std::optional<Task> end_unfit_tasks(TaskService& service, const std::string& id, const std::string& hardware) {
  std::optional<Task> first;
  const auto end = [&](Task task) {
    if (task.fits(hardware)) return;
    if (!service.lifecycle.change(task, TaskEvent::wrong_hardware, by_engine(), "wrong_hardware")) return;
    if (task.offered) service.push(id, FailedAnswer{task.id, "wrong_hardware", task.attempt});
    if (!first) first = task;
  };
  if (auto active = service.lifecycle.load_active(id)) end(std::move(*active));
  for (auto& task : service.rows.unit.queued_of(id, kMaxQueuedOfDevice)) end(std::move(task));
  return first;
}

}  // namespace ota::engine
