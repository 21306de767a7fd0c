// Channels, targets, devices' channels, and blocked firmware.
#include <fmt/format.h>

#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {

Result<void> check_channel(TaskService& service, const std::string& name) {
  if (service.channels.find(name)) return {};
  return fail(Errc::not_found, fmt::format("there is no channel {}: PUT /channels/{} makes it", name, name));
}

Result<PutChannel> on_put_channel(TaskService& service, const ChannelChange& change) {
  const auto* known = service.channels.find(change.name);
  Channel channel = known ? *known : Channel{change.name, {}, false, {}};
  if (change.windows) channel.windows = *change.windows;
  if (change.approval) channel.approval = *change.approval;
  if (change.notes) channel.notes = *change.notes;
  const bool created = !known;
  service.channels.put(channel);
  return PutChannel{channel, created};
}

Result<void> on_remove_channel(TaskService& service, const std::string& name) {
  if (auto known = check_channel(service, name); !known) return known;
  if (name == kDefaultChannel) return fail(Errc::in_use, fmt::format("channel {} always exists", name));
  if (service.rows.fleet().has_devices(name))
    return fail(Errc::in_use, fmt::format("devices follow channel {}: move them first (POST /devices/move)", name));
  if (const auto* rollout = service.rollouts.any_in(name))
    return fail(Errc::in_use,
                fmt::format("rollout {} of channel {} has not ended: cancel it first", rollout->id.str(), name));
  service.channels.remove(name);
  return {};
}

Result<void> on_remove_target(TaskService& service, const std::string& channel, const std::string& hardware) {
  if (auto known = check_channel(service, channel); !known) return known;
  if (service.channels.remove_target(channel, hardware)) return {};
  return fail(Errc::not_found, fmt::format("channel {} has no target for hardware '{}'", channel, hardware));
}

Result<Firmware> on_block_firmware(TaskService& service, std::int64_t id, const std::optional<std::string>& reason) {
  auto firmware = service.rows.firmware.find(id);
  if (!firmware) return fail(Errc::not_found, fmt::format("there is no firmware with id {}", id));
  firmware->blocked = reason;
  service.idle_polls().clear();
  service.rows.firmware.update(*firmware);
  if (reason) service.events.firmware(*firmware, EventType::firmware_blocked, *reason);
  for (const auto* rollout : service.rollouts.of_firmware(id)) service.rollouts.mark_dirty(rollout->id.number);
  service.trust.note_blocked();
  service.trust.withdraw();
  auto line =
      reason
          ? fmt::format("firmware {} for hardware '{}' is blocked: {}", firmware->version, firmware->hardware, *reason)
          : fmt::format("firmware {} for hardware '{}' is no longer blocked", firmware->version, firmware->hardware);
  service.after_commit([line = std::move(line)] { log::warn(line); });
  return *firmware;
}

void move_device(TaskService& service, Device& device, const std::string& channel) {
  if (device.channel == channel) return;
  const auto before = std::exchange(device.channel, channel);
  service.idle_polls().forget(device.id);
  service.rows.unit.put(device);
  service.events.device_moved(device, before);
  service.admission.leave(device.id, "device_moved");
}

void pin_device(TaskService& service, Device& device, bool pinned) {
  if (device.pinned == pinned) return;
  device.pinned = pinned;
  service.idle_polls().forget(device.id);
  service.rows.unit.put(device);
  if (pinned) service.admission.leave(device.id, "device_pinned");
}

Result<Moved> on_move_devices(TaskService& service, const MoveOrder& order) {
  if (auto known = check_channel(service, order.channel); !known) return known.error();
  Moved moved;
  for (const auto& id : order.devices) {
    auto device = service.registry.find(id);
    if (!device) {
      moved.unknown.push_back(id);
      continue;
    }
    ++moved.moved;
    auto there = *device;
    there.channel = order.channel;
    if (service.admission.look(there, false).admitted) ++moved.will_update;
    if (!order.dry_run) move_device(service, *device, order.channel);
  }
  return moved;
}

}  // namespace ota::engine
