// Devices that leave the living fleet by their silence, and those that come back (docs/events.md).
#pragma once

#include "ota/domain/task.hpp"
#include "ota/storage/absent_devices.hpp"

namespace ota::engine {

class TaskService;

/// A device is lost once it was not seen for fleet.living_days. All that were seen before a place in the order of last
/// contacts have been announced as lost; the place is kept in the database.
class Absence {
 public:
  explicit Absence(TaskService& service) : service_(service) {}

  /// Reads the place again: at start, and after a unit was undone.
  void resync();
  /// Announces devices that are lost by now, a bounded number; true where more are left.
  bool run();
  /// Whether it was announced as lost. False for a device that was never seen.
  bool lost(const Device& device) const;

 private:
  void keep(storage::ContactPlace place);

  TaskService& service_;
  storage::ContactPlace place_;
};

}  // namespace ota::engine
