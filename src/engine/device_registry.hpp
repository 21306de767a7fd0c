#pragma once

#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// Who is known, seen and vouched for.
class DeviceRegistry {
 public:
  explicit DeviceRegistry(TaskService& service) : service_(service) {}

  /// A new one, not yet in the registry: its channel and its place in the ring.
  Device make(const std::string& id);
  /// Nothing where it isn't there or can't be read.
  std::optional<Device> find(const std::string& id);
  /// Where find() has nothing: whether the device is new, not a row that can't be read. Errc::server_fault.
  Result<void> check_readable(const std::string& id);
  /// The device sent something: it is online, and what was suspended waits its turn again.
  void mark_seen(Device& device);
  /// The same of a device whose tasks need no look: its download goes on.
  void note_contact(Device& device);
  /// The same of devices whose polls nobody else looked at (IdlePolls).
  void note_idle_polls();
  /// It runs that version, as far as is known.
  void note_version(Device& device, const std::string& version, bool confirmed);
  /// The device is proven now: what it asked for itself counts as asked for.
  void vouch_for(const std::string& device);

 private:
  TaskService& service_;
};

}  // namespace ota::engine
