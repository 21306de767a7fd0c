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
  Device device;                           ///< its tags and attributes are read by DeviceTexts
  bool tagged = false;                     ///< it has tags
  bool attributed = false;                 ///< it has attributes
  std::optional<std::int64_t> ready_task;  ///< its task that stands in the queue
  std::optional<std::int64_t> held_task;   ///< its task that waits behind device.held_uplink
};

/// `SELECT` the columns that read_device() reads, then `rest`.
std::string select_devices(const std::string& rest);
DeviceRow read_device(Rows& rows);

/// Columns that an index for selection is over. An UPDATE that names one writes its indexes, changed or not.
struct DeviceKeys {
  bool hardware = false;
  bool version = false;
  bool link = false;
  bool channel = false;
  bool secret = false;
  DeviceKeys& operator|=(const DeviceKeys& other);
};
/// Which of them differ.
DeviceKeys changed_keys(const Device& before, const Device& now);

/// Writes all but tags and attributes, of which it only stores whether there are any.
class DeviceWriter {
 public:
  explicit DeviceWriter(SQLite::Database& db);
  /// Or replaces it, where it is there and can't be read.
  void insert(const DeviceRow& row);
  /// All that can change; of the keys, those in `changed`.
  void update(const DeviceRow& row, const DeviceKeys& changed);

 private:
  Query insert_;
  Query update_;
  Query hardware_;
  Query version_;
  Query link_;
  Query channel_;
  Query secret_;
};

inline constexpr const char* kTagsTable = "device_tags";
inline constexpr const char* kAttributesTable = "device_attributes";

/// The rows of a table of texts by device and key.
class DeviceTexts {
 public:
  DeviceTexts(SQLite::Database& db, const char* table);
  /// Those that can be read.
  std::map<std::string, std::string> of(const std::string& device) const;
  void replace(const std::string& device, const std::map<std::string, std::string>& texts);
  void remove(const std::string& device);

 private:
  const char* table_;
  Query of_;
  Query add_;
  Query remove_;
};

}  // namespace ota::storage
