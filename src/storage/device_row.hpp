// A row of `devices`, and the other way round.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/domain/task.hpp"
#include "storage/query.hpp"

namespace ota::storage {

struct DeviceRow {
  Device device;
  std::optional<std::int64_t> ready_task;  ///< its task that stands in the queue
  std::optional<std::int64_t> held_task;   ///< its task that waits behind device.held_uplink
};

/// `SELECT` the columns that read_device() reads, then `rest`.
std::string select_devices(const std::string& rest);
DeviceRow read_device(Rows& rows);

class DeviceWriter {
 public:
  explicit DeviceWriter(SQLite::Database& db);
  void save(const DeviceRow& row);  ///< inserts or replaces

 private:
  Query save_;
};

}  // namespace ota::storage
