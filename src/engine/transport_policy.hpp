#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/transfer_run.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/active_transfers.hpp"

namespace ota::engine {

class TaskService;

/// What the engine makes of devices' links: the order of transports, longer patience.
class TransportPolicy {
 public:
  explicit TransportPolicy(TaskService& service) : service_(service) {}

  /// Into the device's link quality.
  void note_trouble(const std::string& device, LinkTrouble trouble);
  /// What an active transfer showed of its link; the caller saves the device.
  void note_link(const Task& task, Device& device, const TransferChange& change);
  /// Recommends another transport to devices during a download.
  void watch();
  /// Recommends an order of transports; nothing where it is recommended already, or there is one transport.
  void order(Task& task, Device& device, Recommend wanted, const std::string& reason);
  /// The transports that can carry the task, in the recommended order; never empty.
  std::vector<Transport> usable(const Task& task, const std::optional<Device>& device) const;
  /// Without a new chunk for so long the task is stuck: longer where its link is slow.
  Millis stall_time(const Task& task) const;

 private:
  void note_transport(Device& device, TransferRun& run, const TransferChange& change);

  TaskService& service_;
};

}  // namespace ota::engine
