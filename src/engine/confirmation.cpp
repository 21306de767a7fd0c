#include "engine/confirmation.hpp"

#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr int kMaxQueuedOfDevice = 1'000;

/// The device runs the task's version and says so.
void confirm(Ledger& ledger, Task& task) {
  if (task.state == TaskState::succeeded && task.confirmed) return;
  task.reason.clear();
  task.detail.clear();
  task.confirmed = true;
  if (!ledger.change(task, TaskEvent::confirmed, by_device())) return;
  if (auto device = ledger.find_device(task.device)) {
    device->last_update = task.id.number;
    ledger.save(*device);
  }
  ledger.supersede_up_to(task.device, task.version);
}

/// The registry takes the device to run what a progress says; a request says it itself.
void note_running(Ledger& ledger, const std::string& id, const std::string& version, bool confirmed) {
  auto device = ledger.find_device(id);
  if (!device) return;
  device->current_version = version;
  device->version_confirmed = confirmed;
  ledger.save(*device);
}

void undone(Ledger& ledger, Task& task, TaskEvent event, const std::string& reason, const std::string& text) {
  task.confirmed = false;
  task.detail = text;
  const bool waited = task.state == TaskState::installing;
  if (!ledger.change(task, event, by_device(), reason)) return;
  // What it ran before is the best guess; it may know better, and then a request says so.
  const auto device = ledger.find_device(task.device);
  if (device && same_version(device->current_version, task.version) && task.from_version != task.version)
    note_running(ledger, task.device, task.from_version, false);
  if (waited && event == TaskEvent::other_version)
    ledger.push(task.device, FailedAnswer{task.id, reason, task.attempt});
}

void judge_installing(Ledger& ledger, Task& task, const std::string& version) {
  if (same_version(version, task.version)) return confirm(ledger, task);
  if (!valid_version(version)) return;
  const bool came_from = version == task.from_version || same_version(version, task.from_version);
  if (!came_from && !task.overrides_version() && newer_version(version, task.version)) {
    if (ledger.change(task, TaskEvent::supersede, by_engine(), "superseded"))
      ledger.push(task.device, CancelAnswer{task.id, CancelReason::superseded});
    return;
  }
  if (task.from_version.empty()) {  // its first word about a version: what it runs before it restarts
    task.from_version = version;
    return ledger.save(task);
  }
  if (came_from) return;
  undone(ledger, task, TaskEvent::other_version, "rolled_back", "runs " + version);
}

/// The last update, after it ended.
void judge_ended(Ledger& ledger, Task& task, const std::string& version) {
  if (!valid_version(version)) return;
  if (same_version(version, task.version)) {
    if (task.state == TaskState::succeeded || task.state == TaskState::failed) confirm(ledger, task);
    return;
  }
  if (task.state != TaskState::succeeded) return;
  const bool came_from = same_version(version, task.from_version);
  if (came_from || !newer_version(version, task.version))
    undone(ledger, task, TaskEvent::other_version, "rolled_back", "runs " + version);
}

/// A task whose image isn't verified yet.
void judge_open(Ledger& ledger, Task& task, const std::string& version) {
  // What it ran before stays what it falls back to.
  if (!task.overrides_version() && same_version(version, task.version)) return confirm(ledger, task);
  task.from_version = version;
  if (task.overrides_version()) return ledger.save(task);
  if (!newer_version(version, task.version)) return ledger.save(task);
  if (ledger.change(task, TaskEvent::supersede, by_engine(), "superseded") && task.offered)
    ledger.push(task.device, CancelAnswer{task.id, CancelReason::superseded});
}

}  // namespace

bool waits_for_confirmation(const Task& task, const Device& device) {
  return task.confirm == Confirm::always || (task.confirm == Confirm::automatic && device.tells_version);
}

Result<void> image_verified(Ledger& ledger, Task& task) {
  auto device = ledger.find_device(task.device);
  const bool waits = device && waits_for_confirmation(task, *device);
  if (device && !device->current_version.empty()) task.from_version = device->current_version;
  task.detail.clear();
  if (auto done = ledger.change(task, waits ? TaskEvent::image_right_hold : TaskEvent::image_right, by_device()); !done)
    return done;
  if (!device) return {};
  device->last_update = task.id.number;
  if (!waits) {
    device->current_version = task.version;
    device->version_confirmed = false;
  }
  ledger.save(*device);
  if (!waits) ledger.supersede_up_to(task.device, task.version);
  return {};
}

void version_reported(Ledger& ledger, Device& device, std::optional<Task>& active, const std::string& version) {
  const bool known = device.version_confirmed && device.tells_version && device.current_version == version;
  const bool news = !known;
  if (!news && (!active || active->state != TaskState::installing)) return;
  device.current_version = version;
  device.version_confirmed = device.tells_version = true;
  ledger.save(device);
  if (news && device.last_update != 0 && (!active || active->id.number != device.last_update)) {
    auto last = ledger.load(device.last_update);
    if (last && last->device == device.id && is_ended(last->state)) judge_ended(ledger, *last, version);
  }
  if (active) {
    active->state == TaskState::installing ? judge_installing(ledger, *active, version)
                                           : judge_open(ledger, *active, version);
    if (is_ended(active->state)) active.reset();
  }
  if (news)
    for (const auto& found : ledger.tasks.queued_of(device.id, kMaxQueuedOfDevice)) {
      if (newer_version(found.version, version)) continue;
      auto task = ledger.load(found.id.number);  // the one before it may have ended it
      if (task && task->state == TaskState::queued) judge_open(ledger, *task, version);
    }
  device = ledger.find_device(device.id).value_or(device);
}

std::optional<InstallReport> installation_reported(Ledger& ledger, Task& task, DeviceState state,
                                                   const std::string& text) {
  const auto device = ledger.find_device(task.device);
  const bool last = device && device->last_update == task.id.number;
  const bool waits = task.state == TaskState::installing;
  const bool open_to_it = last && (task.state == TaskState::succeeded || task.state == TaskState::failed);
  if (state == DeviceState::installed) {
    if (waits || open_to_it) {
      confirm(ledger, task);
    } else if (!last) {
      return std::nullopt;
    }
    note_running(ledger, task.device, task.version, true);
    return InstallReport{};
  }
  if (!waits && !open_to_it) return std::nullopt;
  const bool back = state == DeviceState::rolled_back;
  // Said again, or later: the first cause stands, but for a device that was only late to tell it.
  if (task.state != TaskState::failed || task.reason == "confirm_timeout")
    undone(ledger, task, back ? TaskEvent::rolled_back : TaskEvent::install_failed,
           back ? "rolled_back" : "device_failed", text);
  return InstallReport{FailedAnswer{task.id, task.reason, task.attempt}};
}

std::optional<Task> end_unfit_tasks(Ledger& ledger, const std::string& id, const std::string& hardware) {
  std::optional<Task> first;
  const auto end = [&](Task task) {
    if (task.fits(hardware)) return;
    if (!ledger.change(task, TaskEvent::wrong_hardware, by_engine(), "wrong_hardware")) return;
    if (task.offered) ledger.push(id, FailedAnswer{task.id, "wrong_hardware", task.attempt});
    if (!first) first = task;
  };
  if (auto active = ledger.load_active(id)) end(std::move(*active));
  for (auto& task : ledger.tasks.queued_of(id, kMaxQueuedOfDevice)) end(std::move(task));
  return first;
}

}  // namespace ota::engine
