// A row of `devices`, and the other way round.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ota/domain/task.hpp"
#include "storage/query.hpp"

namespace ota::storage {

struct DeviceRow {
  Device device;                           ///< its tags are read by DeviceTags
  bool tagged = false;                     ///< it has tags
  std::optional<std::int64_t> ready_task;  ///< its task that stands in the queue
  std::optional<std::int64_t> held_task;   ///< its task that waits behind device.held_uplink
};

/// `SELECT` the columns that read_device() reads, then `rest`.
std::string select_devices(const std::string& rest);
DeviceRow read_device(Rows& rows);

class DeviceWriter {
 public:
  explicit DeviceWriter(SQLite::Database& db);
  /// Inserts or replaces all but its tags, of which it only stores whether there are any. Without `new_keys`, what
  /// indexes for selection are over (hardware, version, link quality) is as it was, and those indexes aren't written.
  void save(const DeviceRow& row, bool new_keys);

 private:
  Query save_;
  Query update_;
};

/// The rows of `device_tags`.
class DeviceTags {
 public:
  explicit DeviceTags(SQLite::Database& db);
  /// Those that can be read.
  std::map<std::string, std::string> of(const std::string& device) const;
  void replace(const std::string& device, const std::map<std::string, std::string>& tags);
  void remove(const std::string& device);

 private:
  Query of_;
  Query add_;
  Query remove_;
};

}  // namespace ota::storage
