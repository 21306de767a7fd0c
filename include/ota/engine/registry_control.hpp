// What operators register: devices and firmware (docs/rest.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/audit.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

/// What an operator changes of a device (JSON Merge Patch, RFC 7396): what isn't given stays as it is.
struct DeviceChange {
  static constexpr std::size_t kMaxTags = 64;  ///< of one device

  std::string device;
  bool may_create = false;                                 ///< a device that is not known is registered
  bool registers = true;                                   ///< a known device is registered, too
  std::optional<std::string> hardware;                     ///< empty: unknown from now on
  bool clear_tags = false;                                 ///< before `tags`
  std::map<std::string, std::optional<std::string>> tags;  ///< nothing: that tag goes
  std::optional<std::string> channel;                      ///< must exist
  std::optional<bool> pinned;
  std::optional<std::string> timezone;  ///< known_timezone(); empty: unknown from now on
};

struct PutDevice {
  Device device;
  bool created = false;
};

struct AddedFirmware {
  Firmware firmware;
  bool created = false;  ///< false: the same content was there
};

/// Owned by Engine, with its rules: commands go into its one queue, callbacks run on its thread after the commit.
class RegistryControl {
 public:
  virtual ~RegistryControl() = default;

  /// Hardware and tags of a device, which is registered from then on. Errc::unknown_device, Errc::malformed (more than
  /// DeviceChange::kMaxTags).
  virtual void change_device(DeviceChange change, Caller caller, Done<PutDevice> done) = 0;
  /// Its open tasks are cancelled. Errc::unknown_device.
  virtual void remove_device(std::string device, Caller caller, Done<void> done) = 0;
  virtual void set_device_secret(std::string device, Digest secret, Caller caller, Done<void> done) = 0;

  /// Errc::version_exists; Errc::overloaded where its image is gone again and the upload must be repeated.
  virtual void add_firmware(Firmware firmware, Caller caller, Done<AddedFirmware> done) = 0;
  /// Errc::not_found, Errc::in_use. The image goes when no other firmware has it.
  virtual void remove_firmware(std::int64_t id, Caller caller, Done<Firmware> done) = 0;
};

}  // namespace ota::engine
