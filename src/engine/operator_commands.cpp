#include <fmt/format.h>

#include <algorithm>

#include "engine/commands.hpp"
#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

Error bad_field(const char* field, std::string message) {
  return Error{Errc::malformed, fmt::format("{}: {}", field, message), {{field, message}}};
}

Result<Task> find_task(TaskService& service, const TaskId& id) {
  auto task = service.lifecycle.load(id.number);
  if (!task || task->id != id) return fail(Errc::unknown_task, fmt::format("there is no task {}", id.str()));
  return *task;
}

/// The grid for an order; a tiny chunk size for a large image is refused.
Result<ChunkGrid> grid_for(const Firmware& firmware, const UpgradeOrder& order, const Device& device) {
  if (order.chunk_bytes && ChunkGrid{firmware.size, *order.chunk_bytes}.count() > kMaxChunks)
    return bad_field("chunk_size", fmt::format("an image of {} bytes would have more than {} chunks: use larger ones",
                                               firmware.size, kMaxChunks));
  const auto grid = fit_grid(firmware.size, order.chunk_bytes.value_or(kDefaultChunkBytes), device.max_chunk_bytes);
  return grid ? Result<ChunkGrid>{*grid} : image_too_large(device, firmware.version, firmware.size);
}

Result<void> check_times(const UpgradeOrder& order, WallTime now) {
  if (!order.expires_at) return {};
  if (*order.expires_at <= now) return bad_field("expires_at", "is in the past");
  if (order.not_before && *order.not_before >= *order.expires_at)
    return bad_field("expires_at", "must come after not_before");
  return {};
}

/// The device of an order, made where it is new and registration is open.
Result<Device> device_for(TaskService& service, const UpgradeOrder& order) {
  if (auto device = service.registry.find(order.device)) return *device;
  if (auto readable = service.registry.check_readable(order.device); !readable) return readable.error();
  if (service.options().devices.registration != "open")
    return fail(Errc::unknown_device,
                fmt::format("device {} is not registered (PUT /devices/{})", order.device, order.device));
  return service.registry.make(order.device);
}

/// Whether the vendor permits this order to go below what the device runs. Errc::signature_invalid, Errc::malformed.
Result<void> check_permission(TaskService& service, const UpgradeOrder& order, const Firmware& firmware) {
  const auto& permission = *order.downgrade;
  if (const auto& trust = service.options().trust)
    if (auto good = trust->judge(firmware, permission); !good)
      return Error{Errc::signature_invalid, good.error().message, {{"downgrade_permission", good.error().message}}};
  if (!firmware::permits_downgrade(permission, order.device, service.wall()))
    return bad_field("downgrade_permission", fmt::format("is for {} until {}, not for device {} at present",
                                                         permission.device, permission.expires, order.device));
  return {};
}

Result<UpgradeOutcome> make_task(TaskService& service, const UpgradeOrder& order, const std::string& actor,
                                 std::int64_t retry_of = 0) {
  if (auto times = check_times(order, service.wall()); !times) return times.error();
  auto device = device_for(service, order);
  if (!device) return device.error();
  if (order.hardware && !device->hardware.empty() && *order.hardware != device->hardware)
    return fail(Errc::wrong_hardware,
                fmt::format("device {} is a {}, not a {}", device->id, device->hardware, *order.hardware));
  const auto hardware = device->hardware.empty() ? order.hardware.value_or("") : device->hardware;
  auto firmware = choose_firmware(service, order.version, hardware);
  if (!firmware) return firmware.error();
  if (!fits(firmware->hardware, *device)) return hardware_differs(*device);
  if (order.checksum && *order.checksum != firmware->checksum)
    return fail(Errc::checksum_differs,
                fmt::format("firmware {} has the checksum {}", order.version, to_checksum(firmware->checksum)));
  auto grid = grid_for(*firmware, order, *device);
  if (!grid) return grid.error();
  if (auto open = service.rows.unit.open_of(device->id, order.version)) {
    if (open->unasked && retry_of == 0) {
      open = service.lifecycle.load(open->id.number);
      open->unasked = false;
      service.lifecycle.save(*open);
      service.scheduler.mark_dirty(open->device);
    }
    return UpgradeOutcome{*open, false, open->state};
  }
  if (order.downgrade)
    if (auto permitted = check_permission(service, order, *firmware); !permitted) return permitted.error();
  if (!order.force)
    if (auto fits = check_upgrade(*device, order.version); !fits)
      if (!order.downgrade || fits.error().code != Errc::downgrade) return fits.error();

  if (!service.registry.find(device->id)) {
    service.rows.unit.put(*device);
    service.events.device_registered(*device, "operator");
  }
  if (order.pin) pin_device(service, *device, true);
  auto task = task_for(*device, *firmware, *grid);
  task.priority = order.priority.value_or(firmware->security ? Priority::security : Priority::normal);
  task.confirm = order.confirm.value_or(service.default_confirm());
  task.force = order.force;
  task.downgrade = order.downgrade;
  task.not_before = order.not_before;
  task.expires_at = order.expires_at;
  task.retry_of = retry_of;
  return UpgradeOutcome{service.lifecycle.insert(task, actor), true, TaskState::queued};
}

}  // namespace

Result<Firmware> choose_firmware(TaskService& service, const std::string& version, const std::string& hardware) {
  const auto fits = [&](const Firmware& firmware) {
    return hardware.empty() || firmware.hardware.empty() || firmware.hardware == hardware;
  };
  auto all = service.rows.firmware.with_version(version);
  // Written in another way it is the same version.
  if (std::none_of(all.begin(), all.end(), fits)) all = service.rows.firmware.with_same_version(version);
  if (all.empty()) return fail(Errc::no_such_firmware, fmt::format("there is no firmware {}", version));
  const Firmware* chosen = nullptr;
  for (const auto& firmware : all)
    if (firmware.hardware == hardware || (firmware.hardware.empty() && !chosen)) chosen = &firmware;
  if (!chosen && !hardware.empty())
    return fail(Errc::wrong_hardware, fmt::format("there is no firmware {} for hardware {}", version, hardware));
  if (!chosen && all.size() > 1)
    return bad_field("hardware", fmt::format("version {} exists for several hardware types, and the device's is "
                                             "unknown: name one",
                                             version));
  if (!chosen) chosen = &all.front();
  if (chosen->blocked)
    return fail(Errc::blocked, fmt::format("firmware {} for hardware '{}' is blocked: {}", chosen->version,
                                           chosen->hardware, *chosen->blocked));
  if (chosen->damaged)
    return fail(Errc::image_damaged,
                fmt::format("the stored image of firmware {} is corrupted: upload it again", version));
  if (const auto& trust = service.options().trust)
    if (auto good = trust->judge(*chosen); !good)
      return fail(Errc::untrusted_firmware,
                  fmt::format("firmware {} is not trusted at present: {}", chosen->version, good.error().message));
  return *chosen;
}

Task task_for(const Device& device, const Firmware& firmware, const ChunkGrid& grid) {
  Task task;
  task.device = device.id;
  task.firmware_id = firmware.id;
  task.version = firmware.version;
  task.hardware = firmware.hardware;
  task.checksum = firmware.checksum;
  task.size = firmware.size;
  task.chunk_bytes = grid.chunk_bytes;
  task.from_version = device.current_version;
  return task;
}

Error image_too_large(const Device& device, const std::string& version, std::uint64_t size) {
  return fail(Errc::image_too_large,
              fmt::format("device {} accepts chunks of at most {} bytes (max_chunk_bytes), of which firmware {} with "
                          "{} bytes would need more than {}: it must accept larger ones",
                          device.id, device.max_chunk_bytes.value_or(kMaxChunkBytes), version, size, kMaxChunks));
}

Error hardware_differs(const Device& device) {
  return fail(Errc::wrong_hardware,
              fmt::format("device {} is registered as {}, but reports {}: correct one of them", device.id,
                          device.hardware, device.reported_hardware));
}

Result<void> check_upgrade(const Device& device, const std::string& version) {
  if (same_version(device.current_version, version)) {
    if (!device.version_confirmed) return {};
    return fail(Errc::already_installed,
                fmt::format("device {} already runs {}; force installs it again", device.id, device.current_version));
  }
  if (newer_version(device.current_version, version))
    return fail(Errc::downgrade, fmt::format("device {} runs {}, which is newer than {}; force allows it", device.id,
                                             device.current_version, version));
  return {};
}

Result<UpgradeOutcome> on_upgrade(TaskService& service, const UpgradeOrder& order, const std::string& actor) {
  const auto key = key_of(order, actor);
  if (key.empty()) return make_task(service, order, actor);
  if (const auto before = service.rows.unit.answered(key)) {
    if (before->body != order.body_digest)
      return fail(Errc::key_reused, "this Idempotency-Key was used with another request: use a new one");
    const auto task = service.rows.unit.task(before->task);
    if (!task) return fail(Errc::unknown_task, "the task of this Idempotency-Key has been removed");
    return UpgradeOutcome{*task, before->created, before->state};
  }
  auto outcome = make_task(service, order, actor);
  if (outcome)
    service.rows.unit.remember(
        key, {order.body_digest, outcome->task.id.number, outcome->created, outcome->state, service.wall()});
  return outcome;
}

Result<Task> on_cancel(TaskService& service, const TaskId& id, const std::string& actor) {
  auto task = find_task(service, id);
  if (!task) return task;
  // A second time: the device doesn't say that it stopped.
  if (is_ended(task->state) && service.actions.give_up(*task, actor)) return task;
  const bool told = holds_slot(task->state) || task->offered;
  if (auto done = service.lifecycle.change(*task, TaskEvent::cancel, by_operator(actor), "cancelled"); !done)
    return done.error();
  if (told) service.push(task->device, CancelAnswer{task->id, CancelReason::cancelled});
  return task;
}

Result<Task> on_retry(TaskService& service, const TaskId& id, const std::string& actor) {
  auto ended = find_task(service, id);
  if (!ended) return ended;
  if (!is_ended(ended->state) || ended->state == TaskState::succeeded)
    return fail(Errc::wrong_state,
                fmt::format("task {} of device {} is {}: only a failed, cancelled or expired one can be retried",
                            id.str(), ended->device, to_string(ended->state)));
  UpgradeOrder order;
  order.device = ended->device;
  order.version = ended->version;
  if (!ended->hardware.empty()) order.hardware = ended->hardware;
  order.chunk_bytes = ended->chunk_bytes;
  order.priority = ended->priority;
  order.confirm = ended->confirm;
  order.force = ended->force;
  order.downgrade = ended->downgrade;
  auto made = make_task(service, order, actor, id.number);
  if (!made) return made.error();
  if (!made->created)
    return fail(Errc::wrong_state, fmt::format("device {} already has an open task for {}: {}", ended->device,
                                               ended->version, made->task.id.str()));
  return made->task;
}

Result<Task> on_set_priority(TaskService& service, const TaskId& id, Priority priority, const std::string& actor) {
  auto task = find_task(service, id);
  if (!task) return task;
  if (is_ended(task->state) || task->state == TaskState::installing)
    return fail(Errc::wrong_state, fmt::format("task {} of device {} is {}: its priority can no longer be changed",
                                               id.str(), task->device, to_string(task->state)));
  if (task->priority == priority && !task->unasked) return task;
  LogEntry entry;
  entry.kind = "priority";
  entry.by = actor;
  entry.reason = fmt::format("{} to {}", to_string(task->priority), to_string(priority));
  task->priority = priority;
  task->unasked = false;
  service.transfers().set_priority(task->id.number, priority);
  service.log(*task, std::move(entry));
  service.lifecycle.save(*task);
  service.scheduler.mark_dirty(task->device);
  return task;
}

}  // namespace ota::engine
