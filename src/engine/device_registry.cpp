#include "engine/device_registry.hpp"

#include <algorithm>
#include <utility>

#include "engine/task_service.hpp"
#include "ota/domain/contact.hpp"

namespace ota::engine {

Device DeviceRegistry::make(const std::string& id) {
  Device device;
  device.id = id;
  device.created = service_.wall();
  const auto& channel = service_.options().devices.default_channel;
  if (service_.channels.find(channel)) device.channel = channel;
  device.ring = static_cast<std::uint32_t>(service_.random().unit() * 4294967296.0);
  return device;
}

std::optional<Device> DeviceRegistry::find(const std::string& id) {
  return storage::if_readable([&] { return service_.rows.unit.device(id); });
}

Result<void> DeviceRegistry::check_readable(const std::string& id) {
  try {
    service_.rows.unit.device(id);
    return {};
  } catch (const storage::BadRow& e) {
    return fail(Errc::server_fault, e.what());
  }
}

void DeviceRegistry::note_contact(Device& device) {
  if (!device.last_seen && !find(device.id)) service_.events.device_registered(device, "device");
  if (service_.absence.lost(device)) service_.events.device_returned(device, *device.last_seen);
  if (device.last_seen)
    device.gap = next_gap(device.gap, *device.last_seen - device.created, service_.wall() - *device.last_seen);
  device.last_seen = service_.wall();
  device.present_until_tl = service_.now() + device.online_for(service_.presence().present);
  service_.rows.unit.put(device);
}

void DeviceRegistry::note_idle_polls() {
  const auto seen = service_.idle_polls().take_seen();
  if (seen.empty()) return;
  service_.rows.unit.read({seen, {}, {}});
  for (const auto& id : seen)
    if (auto device = find(id)) note_contact(*device);
}

void DeviceRegistry::mark_seen(Device& device) {
  note_contact(device);
  for (auto& task : service_.rows.unit.queued_of(device.id, kMaxQueuedOfDevice))
    if (task.parked) {
      task.parked = false;
      service_.lifecycle.save(task);
    }
  service_.scheduler.mark_dirty(device.id);
}

void DeviceRegistry::note_version(Device& device, const std::string& version, bool confirmed) {
  const auto before = std::exchange(device.current_version, version);
  device.version_confirmed = confirmed;
  service_.rows.unit.put(device);
  if (!before.empty() && before != version) service_.events.device_version_changed(device, before);
}

void DeviceRegistry::vouch_for(const std::string& device) {
  const auto asked = [this](Task task) {
    if (!std::exchange(task.unasked, false)) return;
    service_.lifecycle.save(task);
  };
  for (auto& task : service_.rows.unit.queued_of(device, kMaxQueuedOfDevice)) asked(std::move(task));
  if (auto active = service_.lifecycle.load_active(device)) asked(std::move(*active));
  service_.scheduler.mark_dirty(device);
}

}  // namespace ota::engine
