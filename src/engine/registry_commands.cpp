// Devices and firmware as operators keep them.
#include <fmt/format.h>

#include <algorithm>

#include "engine/commands.hpp"
#include "engine/confirmation.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {
constexpr std::size_t kTasksAtOnce = 500;

void mark_whole(Ledger& ledger, const Digest& image) {
  for (auto& firmware : ledger.firmware.with_image(image)) {
    if (!firmware.damaged) continue;
    firmware.damaged = false;
    ledger.firmware.update(firmware);
    log::info(fmt::format("firmware {} for hardware '{}' is whole again", firmware.version, firmware.hardware));
  }
  ledger.count_damaged();
}

/// Without its image the task waits; the device keeps its chunks.
void hold_back(Ledger& ledger, const TaskId& id) {
  auto task = ledger.load(id.number);
  if (!task || !ledger.change(*task, TaskEvent::preempt, by_engine(), "image_missing")) return;
  ledger.push(task->device, CancelAnswer{task->id, CancelReason::preempted});
}

}  // namespace

// Asked after the commit: a later command of the same batch may have added it again.
void remove_unneeded(Ledger& ledger, const Digest& image) {
  ledger.after_commit([&ledger, image] {
    if (ledger.firmware.with_image(image).empty()) ledger.images().remove(image);
  });
}

Result<Engine::PutDevice> on_change_device(Ledger& ledger, const DeviceChange& change) {
  auto device = ledger.find_device(change.device);
  const bool created = !device;
  if (!device) {
    if (auto readable = ledger.check_readable(change.device); !readable) return readable.error();
    if (!change.may_create)
      return fail(Errc::unknown_device,
                  fmt::format("there is no device {}: PUT /devices/{} registers it", change.device, change.device));
    device.emplace();
    device->id = change.device;
    device->created = ledger.wall();
  }
  if (change.hardware) device->hardware = *change.hardware;
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
  device->registered = true;
  ledger.save(*device);
  ledger.vouch_for(device->id);
  end_unfit_tasks(ledger, device->id, device->hardware);
  return Engine::PutDevice{*device, created};
}

Result<void> on_remove_device(Ledger& ledger, const std::string& id, const std::string& actor) {
  const bool readable = ledger.check_readable(id).has_value();
  if (readable && !ledger.find_device(id)) return fail(Errc::unknown_device, fmt::format("there is no device {}", id));
  if (const auto active = ledger.load_active(id)) {
    auto cancelled = on_cancel(ledger, active->id, actor);
    if (!cancelled) return cancelled.error();
  }
  for (;;) {
    const auto queued = ledger.tasks.queued_of(id, static_cast<int>(kTasksAtOnce));
    if (queued.empty()) break;
    for (const auto& task : queued)
      if (auto cancelled = on_cancel(ledger, task.id, actor); !cancelled) return cancelled.error();
  }
  if (const auto ready = ledger.tasks.ready_of(id)) ledger.tasks.set_ready(*ready, false);
  ledger.remove_device(id);
  if (!readable) storage::bad_rows().forget("devices", id);
  return {};
}

Result<void> on_set_secret(Ledger& ledger, const std::string& id, const Digest& secret) {
  auto device = ledger.find_device(id);
  if (!device) return fail(Errc::unknown_device, fmt::format("there is no device {}", id));
  device->secret = secret;
  device->claimed = false;
  ledger.save(*device);
  ledger.vouch_for(id);
  // What is on the board was opened with the secret before this one, or with none.
  if (const auto active = ledger.load_active(id); active && holds_slot(active->state))
    ledger.show(*active, device, ledger.chunks(*active));
  return {};
}

Result<Engine::AddedFirmware> on_add_firmware(Ledger& ledger, Firmware wanted) {
  if (!ledger.images().exists(wanted.checksum))
    return fail(Errc::overloaded, "the image was removed while it was uploaded: upload it again");
  mark_whole(ledger, wanted.checksum);
  if (const auto there = ledger.firmware.find(wanted.version, wanted.hardware)) {
    if (there->checksum == wanted.checksum) return Engine::AddedFirmware{*there, false};
    remove_unneeded(ledger, wanted.checksum);
    return fail(
        Errc::version_exists,
        fmt::format("firmware {} for hardware '{}' exists with the checksum {}: give the new one another version",
                    wanted.version, wanted.hardware, to_checksum(there->checksum)));
  }
  wanted.created = ledger.wall();
  ledger.firmware.insert(wanted);
  return Engine::AddedFirmware{wanted, true};
}

Result<Firmware> on_remove_firmware(Ledger& ledger, std::int64_t id) {
  const auto firmware = ledger.firmware.find(id);
  if (!firmware) return fail(Errc::not_found, fmt::format("there is no firmware with id {}", id));
  if (ledger.tasks.needs_firmware(id))
    return fail(Errc::in_use,
                fmt::format("firmware {} is needed by open tasks: wait for them or cancel them", firmware->version));
  ledger.firmware.remove(id);
  ledger.count_damaged();
  remove_unneeded(ledger, firmware->checksum);
  return *firmware;
}

bool on_image_damaged(Ledger& ledger, const Digest& image) {
  for (auto& firmware : ledger.firmware.with_image(image)) {
    if (firmware.damaged) continue;
    firmware.damaged = true;
    ledger.firmware.update(firmware);
    log::error(
        fmt::format("the image of firmware {} for hardware '{}' is damaged and was set aside: check the disk, then "
                    "upload it again",
                    firmware.version, firmware.hardware));
  }
  ledger.count_damaged();
  const auto open = ledger.tasks.open_with_image(image, static_cast<int>(kTasksAtOnce));
  for (const auto& found : open) {
    auto task = ledger.load(found.id.number);
    if (!task) continue;
    if (!ledger.change(*task, TaskEvent::damage, by_engine(), "image_damaged")) continue;
    if (task->offered) ledger.push(task->device, FailedAnswer{task->id, "image_damaged", task->attempt});
  }
  return open.size() < kTasksAtOnce;
}

bool on_image_changed(Ledger& ledger, const Digest& image, TaskCursor& at) {
  const bool missing = ledger.images().missing(image);
  if (!missing && !ledger.images().exists(image)) return true;  // damaged, which is told by itself
  if (!missing) mark_whole(ledger, image);
  auto left = kTasksAtOnce;
  for (const auto& firmware : ledger.firmware.with_image(image)) {
    if (firmware.id < at.firmware) continue;
    if (firmware.id > at.firmware) at = {firmware.id, 0};
    for (const auto& task : ledger.tasks.unverified_of(firmware.id, at.task, static_cast<int>(left))) {
      at.task = task.id.number;
      --left;
      if (missing && holds_slot(task.state)) hold_back(ledger, task.id);
      ledger.touch(task.device);
    }
    if (left == 0) return false;
  }
  return true;
}

}  // namespace ota::engine
