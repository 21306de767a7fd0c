// Devices and firmware as operators keep them.
#include <fmt/format.h>

#include <utility>

#include "engine/commands.hpp"
#include "engine/confirmation.hpp"
#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {
constexpr std::size_t kTasksAtOnce = 500;

void mark_whole(TaskService& service, const Digest& image) {
  for (auto& firmware : service.rows.firmware.with_image(image)) {
    if (!firmware.damaged) continue;
    firmware.damaged = false;
    service.rows.firmware.update(firmware);
    log::info(fmt::format("firmware {} for hardware '{}' is intact again", firmware.version, firmware.hardware));
  }
  service.count_damaged();
}

/// Without its image the task waits; the device keeps its chunks.
void hold_back(TaskService& service, const TaskId& id) {
  auto task = service.lifecycle.load(id.number);
  if (!task || !service.lifecycle.change(*task, TaskEvent::preempt, by_engine(), "image_missing")) return;
  service.push(task->device, CancelAnswer{task->id, CancelReason::preempted});
}

}  // namespace

// Asked after the commit: a later command of the same batch may have added it again.
void remove_unneeded(TaskService& service, const Digest& image) {
  service.after_commit([&service, image] {
    if (service.rows.firmware.with_image(image).empty()) service.images().remove(image);
  });
}

Result<PutDevice> on_change_device(TaskService& service, const DeviceChange& change) {
  auto device = service.registry.find(change.device);
  const bool created = !device;
  if (!device) {
    if (auto readable = service.registry.check_readable(change.device); !readable) return readable.error();
    if (!change.may_create)
      return fail(Errc::unknown_device,
                  fmt::format("there is no device {}: PUT /devices/{} registers it", change.device, change.device));
    device = service.registry.make(change.device);
    if (change.channel && service.channels.find(*change.channel)) device->channel = *change.channel;
  }
  if (change.channel)
    if (auto known = check_channel(service, *change.channel); !known) return known.error();
  if (change.hardware && std::exchange(device->hardware, *change.hardware) != *change.hardware)
    device->reported_hardware.clear();
  if (change.timezone) device->timezone = *change.timezone;
  if (change.clear_tags) device->tags.clear();
  for (const auto& [name, value] : change.tags) {
    if (value)
      device->tags[name] = *value;
    else
      device->tags.erase(name);
  }
  if (device->tags.size() > DeviceChange::kMaxTags) {
    const auto message = fmt::format("device {} would have {} tags, more than {}: remove some (null)", device->id,
                                     device->tags.size(), DeviceChange::kMaxTags);
    return Error{Errc::malformed, message, {{"tags", message}}};
  }
  if (change.registers) device->registered = true;
  service.idle_polls().forget(device->id);
  service.rows.unit.put(*device);
  if (created) service.events.device_registered(*device, "operator");
  if (change.channel) move_device(service, *device, *change.channel);
  if (change.pinned) pin_device(service, *device, *change.pinned);
  if (change.registers) service.registry.vouch_for(device->id);
  end_unfit_tasks(service, device->id, device->hardware);
  return PutDevice{*device, created};
}

Result<void> on_remove_device(TaskService& service, const std::string& id, const std::string& actor) {
  const bool readable = service.registry.check_readable(id).has_value();
  const auto device = service.registry.find(id);
  if (readable && !device)
    return fail(Errc::unknown_device, fmt::format("there is no device {}", id));
  if (const auto active = service.lifecycle.load_active(id)) {
    auto cancelled = on_cancel(service, active->id, actor);
    if (!cancelled) return cancelled.error();
  }
  for (;;) {
    const auto queued = service.rows.unit.queued_of(id, static_cast<int>(kTasksAtOnce));
    if (queued.empty()) break;
    for (const auto& task : queued)
      if (auto cancelled = on_cancel(service, task.id, actor); !cancelled) return cancelled.error();
  }
  service.rows.unit.remove_device(id);
  service.idle_polls().forget(id);
  service.events.device_removed(id, device ? device->channel : std::string(), "operator");
  if (!readable) storage::bad_rows().forget("devices", id);
  return {};
}

Result<void> on_set_secret(TaskService& service, const std::string& id, const Digest& secret) {
  auto device = service.registry.find(id);
  if (!device) return fail(Errc::unknown_device, fmt::format("there is no device {}", id));
  device->secret = secret;
  service.idle_polls().forget(id);
  device->claimed = false;
  service.rows.unit.put(*device);
  service.registry.vouch_for(id);
  // The active transfer was opened with the secret before this one, or with none.
  if (const auto active = service.lifecycle.load_active(id); active && holds_slot(active->state))
    service.runs.register_transfer(*active, device, service.rows.unit.chunks(*active));
  return {};
}

Result<AddedFirmware> on_add_firmware(TaskService& service, Firmware wanted) {
  if (!service.images().exists(wanted.checksum))
    return fail(Errc::overloaded, "the image was removed while it was uploaded: upload it again");
  mark_whole(service, wanted.checksum);
  if (const auto there = service.rows.firmware.find(wanted.version, wanted.hardware)) {
    if (there->checksum == wanted.checksum) return AddedFirmware{*there, false};
    remove_unneeded(service, wanted.checksum);
    return fail(
        Errc::version_exists,
        fmt::format("firmware {} for hardware '{}' exists with the checksum {}: give the new one another version",
                    wanted.version, wanted.hardware, to_checksum(there->checksum)));
  }
  // Devices' reports of the one would count for the other.
  for (const auto& other : service.rows.firmware.with_same_version(wanted.version)) {
    if (other.hardware != wanted.hardware || other.checksum == wanted.checksum) continue;
    remove_unneeded(service, wanted.checksum);
    return fail(Errc::version_exists,
                fmt::format("firmware {} for hardware '{}' exists and counts as the same version as {} (SemVer), with "
                            "the checksum {}: give the new one another version",
                            other.version, wanted.hardware, wanted.version, to_checksum(other.checksum)));
  }
  wanted.created = service.wall();
  service.rows.firmware.insert(wanted);
  service.events.firmware(wanted, EventType::firmware_uploaded);
  return AddedFirmware{wanted, true};
}

Result<Firmware> on_remove_firmware(TaskService& service, std::int64_t id) {
  const auto firmware = service.rows.firmware.find(id);
  if (!firmware) return fail(Errc::not_found, fmt::format("there is no firmware with id {}", id));
  if (service.rows.tasks().needs_firmware(id))
    return fail(Errc::in_use,
                fmt::format("firmware {} is needed by open tasks: wait for them or cancel them", firmware->version));
  if (const auto rollouts = service.rollouts.of_firmware(id); !rollouts.empty())
    return fail(Errc::in_use, fmt::format("firmware {} is needed by rollout {}, which has not ended: cancel it first",
                                          firmware->version, rollouts.front()->id.str()));
  service.rows.firmware.remove(id);
  service.events.firmware(*firmware, EventType::firmware_removed);
  service.count_damaged();
  remove_unneeded(service, firmware->checksum);
  return *firmware;
}

bool on_image_damaged(TaskService& service, const Digest& image) {
  for (auto& firmware : service.rows.firmware.with_image(image)) {
    if (firmware.damaged) continue;
    firmware.damaged = true;
    service.rows.firmware.update(firmware);
    service.events.firmware(firmware, EventType::firmware_damaged);
    for (const auto* rollout : service.rollouts.of_firmware(firmware.id))
      service.rollouts.mark_dirty(rollout->id.number);  // it halts
    log::error(
        fmt::format("the image of firmware {} for hardware '{}' is corrupted and was quarantined: check the disk, then "
                    "upload it again",
                    firmware.version, firmware.hardware));
  }
  service.count_damaged();
  const auto open = service.rows.tasks().open_with_image(image, static_cast<int>(kTasksAtOnce));
  for (const auto& found : open) {
    auto task = service.lifecycle.load(found.id.number);
    if (!task) continue;
    if (!service.lifecycle.change(*task, TaskEvent::image_corrupt, by_engine(), "image_damaged")) continue;
    if (task->offered) service.push(task->device, FailedAnswer{task->id, "image_damaged", task->attempt});
  }
  return open.size() < kTasksAtOnce;
}

bool on_image_changed(TaskService& service, const Digest& image, TaskCursor& at) {
  const bool missing = service.images().missing(image);
  if (!missing && !service.images().exists(image)) return true;  // damaged, which is told by itself
  if (!missing) mark_whole(service, image);
  auto left = kTasksAtOnce;
  for (const auto& firmware : service.rows.firmware.with_image(image)) {
    if (firmware.id < at.firmware) continue;
    if (firmware.id > at.firmware) at = {firmware.id, 0};
    for (const auto& task : service.rows.tasks().unverified_of(firmware.id, at.task, static_cast<int>(left))) {
      at.task = task.id.number;
      --left;
      if (missing && holds_slot(task.state)) hold_back(service, task.id);
      service.scheduler.mark_dirty(task.device);
    }
    if (left == 0) return false;
  }
  return true;
}

void on_image_hashed(TaskService& service, const firmware::Stored& image) {
  for (auto& firmware : service.rows.firmware.with_image(image.checksum)) {
    if (firmware.file) continue;
    firmware.file = FirmwareFile{default_filename(firmware, image.swupdate), image.sha1, image.md5};
    service.rows.firmware.update(firmware);
  }
}

}  // namespace ota::engine
