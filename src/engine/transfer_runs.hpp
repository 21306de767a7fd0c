#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/transfer_run.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// What is known in memory of each task that holds a slot, and whether a device must wait for others behind its uplink.
class TransferRuns {
 public:
  explicit TransferRuns(TaskService& service) : service_(service) {}

  /// For a task that got a slot, or kept it over a start: it becomes an active transfer.
  void begin(const Task& task);
  void end(const Task& task);
  /// Null for a task that holds no slot.
  TransferRun* find(std::int64_t task);
  /// The same, made where there is none.
  TransferRun& of(std::int64_t task) { return runs_[task]; }
  std::unordered_map<std::int64_t, TransferRun>& all() { return runs_; }
  /// Makes the task an active transfer, with what proves its device.
  void register_transfer(const Task& task, const std::optional<Device>& device, ChunkBitmap have);
  /// Whether the device must wait for others behind its uplink.
  bool uplink_is_full(const Device& device);
  /// The poor uplink behind which a device takes one of the places; empty: none.
  std::string uplink_of(const std::string& device);
  /// Makes it true again for these slot holders, and no others.
  void resync(const std::vector<Task>& holders);

 private:
  /// What begin() keeps, for a task that is an active transfer already.
  void adopt(const Task& task, std::optional<Device> device, ChunkBitmap had);

  TaskService& service_;
  std::unordered_map<std::int64_t, TransferRun> runs_;
};

}  // namespace ota::engine
