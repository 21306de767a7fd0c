#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ota/domain/task.hpp"

namespace ota::storage {

class Database;

/// A place in the order of devices by their last contact, then by id.
struct ContactPlace {
  WallTime seen{};
  std::string id;
  auto operator<=>(const ContactPlace&) const = default;
};

/// Devices that were seen once and not since. From one connection's thread; may throw Fault. What a Unit changed must be
/// flushed before.
class AbsentDevices {
 public:
  explicit AbsentDevices(Database& db);
  ~AbsentDevices();

  /// Behind `after`, last seen before `before`; at most `limit`.
  std::vector<Device> list(const ContactPlace& after, WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
