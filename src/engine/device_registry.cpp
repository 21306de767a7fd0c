#include "engine/device_registry.hpp"

#include <utility>

#include "engine/task_service.hpp"

namespace ota::engine {

std::optional<Device> DeviceRegistry::find(const std::string& id) {
  try {
    return service_.rows.unit.device(id);
  } catch (const storage::BadRow&) {
    return {};  // named by the storage; nobody else is stopped by it
  }
}

Result<void> DeviceRegistry::check_readable(const std::string& id) {
  try {
    service_.rows.unit.device(id);
    return {};
  } catch (const storage::BadRow& e) {
    return fail(Errc::server_fault, e.what());
  }
}

void DeviceRegistry::mark_seen(Device& device) {
  device.last_seen = service_.wall();
  device.present_until_tl = service_.now() + std::chrono::seconds{service_.options().devices.present_s};
  service_.rows.unit.put(device);
  for (auto& task : service_.rows.unit.queued_of(device.id, kMaxQueuedOfDevice))
    if (task.parked) {
      task.parked = false;
      service_.lifecycle.save(task);
    }
  service_.scheduler.mark_dirty(device.id);
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
