#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// Rows of devices.
class DeviceRegistry {
 public:
  explicit DeviceRegistry(TaskService& service) : service_(service) {}

  /// As it was read or saved last, most often without asking the database. Nothing where it isn't there or can't be
  /// read.
  std::optional<Device> find(const std::string& id);
  /// Where find() has nothing: whether the device is new, not a row that can't be read. Errc::server_fault.
  Result<void> check_readable(const std::string& id);
  void save(const Device& device);
  void remove(const std::string& id);
  /// The device sent something: it is online, and what was suspended waits its turn again.
  void mark_seen(Device& device);
  /// The device is proven now: what it asked for itself counts as asked for.
  void vouch_for(const std::string& device);
  /// Keeps the device's task out of the queue: it waits for others behind `uplink`; empty: it waits no more.
  void block_on_uplink(const std::string& id, const std::string& uplink, std::int64_t task);
  void flush();
  void discard();

 private:
  TaskService& service_;
  std::optional<Device> device_;  // the last one: nearly every step of a command asks for its device
  bool device_unwritten_ = false;
};

}  // namespace ota::engine
