// Who stands in the queue for a slot, and who holds one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ota::storage {

class Unit;

/// A part of a unit: it changes the unit's rows in memory, which Unit::flush() writes. The throws of Unit.
class SlotQueue {
 public:
  explicit SlotQueue(Unit& unit) : unit_(unit) {}

  /// Keeps the device's task out of the queue: it waits for others behind `uplink`; empty: it waits no more.
  void hold(const std::string& device, const std::string& uplink, std::int64_t task);

  /// The device's task that stands in the queue for a slot, if any (WaitReason::slot).
  std::optional<std::int64_t> ready_of(const std::string& device);
  /// In the row of the device; the task's own says so by its wait_reason.
  void set_ready(const std::string& device, std::optional<std::int64_t> task);

  /// How many tasks hold a slot; counted once in a unit, and followed.
  std::int64_t slots_held();
  /// Nobody stands in the queue for a slot.
  bool is_empty();
  /// Changes whenever a task enters or leaves the queue or a slot, or changes its rank there.
  std::uint64_t version() const;

 private:
  Unit& unit_;
};

}  // namespace ota::storage
