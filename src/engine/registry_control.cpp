#include "engine/registry_control.hpp"

#include "engine/commands.hpp"
#include "engine/orders.hpp"

namespace ota::engine {

void RegistryCommands::change_device(DeviceChange change, Caller caller, Done<PutDevice> done) {
  auto target = change.device;
  order_by<PutDevice>(loop_, std::move(done), caller, change.may_create ? "device.put" : "device.patch",
                      std::move(target), {change.device},
                      [change](TaskService& service) { return on_change_device(service, change); });
}

void RegistryCommands::remove_device(std::string device, Caller caller, Done<void> done) {
  order_by<void>(
      loop_, std::move(done), caller, "device.remove", device, {device},
      [device, name = caller.name](TaskService& service) { return on_remove_device(service, device, name); });
}

void RegistryCommands::set_device_secret(std::string device, Digest secret, Caller caller, Done<void> done) {
  order_by<void>(loop_, std::move(done), caller, "device.token", device, {device},
                 [device, secret](TaskService& service) { return on_set_secret(service, device, secret); });
}

void RegistryCommands::add_firmware(Firmware firmware, Caller caller, Done<AddedFirmware> done) {
  auto target = firmware.version + " " + firmware.hardware + " " + to_checksum(firmware.checksum);
  // Its image would stay on the disk until the next start, perhaps the disk that is full.
  Done<AddedFirmware> told = [this, image = firmware.checksum, done = std::move(done)](Result<AddedFirmware> result) {
    if (!result) loop_.image_unneeded(image);
    done(std::move(result));
  };
  order_by<AddedFirmware>(
      loop_, std::move(told), caller, "firmware.add", std::move(target), {},
      [firmware = std::move(firmware)](TaskService& service) { return on_add_firmware(service, firmware); });
}

void RegistryCommands::remove_firmware(std::int64_t id, Caller caller, Done<Firmware> done) {
  order_by<Firmware>(loop_, std::move(done), caller, "firmware.remove", std::to_string(id), {},
                     [id](TaskService& service) { return on_remove_firmware(service, id); });
}

}  // namespace ota::engine
