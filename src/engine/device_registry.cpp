#include "engine/device_registry.hpp"

#include <utility>

#include "engine/task_service.hpp"

namespace ota::engine {

void DeviceRegistry::flush() {
  if (std::exchange(device_unwritten_, false)) service_.rows.devices.save(*device_);
}

std::optional<Device> DeviceRegistry::find(const std::string& id) {
  if (device_ && device_->id == id) return device_;
  std::optional<Device> device;
  try {
    device = service_.rows.devices.find(id);
  } catch (const storage::BadRow&) {
    return {};  // named by the storage; nobody else is stopped by it
  }
  if (device) {
    flush();
    device_ = device;
  }
  return device;
}

Result<void> DeviceRegistry::check_readable(const std::string& id) {
  try {
    service_.rows.devices.find(id);
    return {};
  } catch (const storage::BadRow& e) {
    return fail(Errc::server_fault, e.what());
  }
}

void DeviceRegistry::save(const Device& device) {
  if (device_ && device_->id != device.id) flush();
  device_ = device;
  device_unwritten_ = true;
}

void DeviceRegistry::remove(const std::string& id) {
  flush();
  device_.reset();
  service_.rows.devices.remove(id);
}

void DeviceRegistry::mark_seen(Device& device) {
  device.last_seen = service_.wall();
  device.present_until_tl = service_.now() + std::chrono::seconds{service_.options().devices.present_s};
  save(device);
  for (auto& task : service_.rows.tasks.queued_of(device.id, kMaxQueuedOfDevice))
    if (task.parked) {
      task.parked = false;
      service_.lifecycle.save(task);
    }
  service_.scheduler.mark_dirty(device.id);
}

void DeviceRegistry::block_on_uplink(const std::string& id, const std::string& uplink, std::int64_t task) {
  flush();
  device_.reset();
  service_.rows.devices.hold(id, uplink, task);
}

void DeviceRegistry::vouch_for(const std::string& device) {
  const auto asked = [this](Task task) {
    if (!std::exchange(task.unasked, false)) return;
    service_.lifecycle.save(task);
  };
  for (auto& task : service_.rows.tasks.queued_of(device, kMaxQueuedOfDevice)) asked(std::move(task));
  if (auto active = service_.lifecycle.load_active(device)) asked(std::move(*active));
  service_.scheduler.mark_dirty(device);
}

void DeviceRegistry::discard() {
  device_.reset();
  device_unwritten_ = false;
}

}  // namespace ota::engine
