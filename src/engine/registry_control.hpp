// RegistryControl over the engine's loop.
#pragma once

#include "engine/engine_loop.hpp"
#include "ota/engine/registry_control.hpp"

namespace ota::engine {

class RegistryCommands final : public RegistryControl {
 public:
  explicit RegistryCommands(EngineLoop& loop) : loop_(loop) {}

  void change_device(DeviceChange change, Caller caller, Done<PutDevice> done) override;
  void remove_device(std::string device, Caller caller, Done<void> done) override;
  void set_device_secret(std::string device, Digest secret, Caller caller, Done<void> done) override;
  void add_firmware(Firmware firmware, Caller caller, Done<AddedFirmware> done) override;
  void remove_firmware(std::int64_t id, Caller caller, Done<Firmware> done) override;

 private:
  EngineLoop& loop_;
};

}  // namespace ota::engine
