#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/allowance.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// What one device that nobody stands behind may leave in the database: so many tasks that ended and that only it asked
/// for, without its last update; the oldest go when it asks for another. And so many lines in the log of each task that
/// only it asked for; what comes after them isn't logged.
inline constexpr int kEndedOfStranger = 16;
inline constexpr int kLinesOfStranger = 500;

/// Devices that nobody stands behind: how many are taken in, what they may leave, when they go (Device::proven).
class Newcomers {
 public:
  explicit Newcomers(TaskService& service) : service_(service) {}

  /// Counts one more device that is new and proves nothing. Answers 0, or the seconds until the next one may come
  /// (devices.unproven_per_minute).
  int admit();
  /// A new device brought its own secret: into the audit log, up to a rate.
  void audit_claim(const std::string& device, const std::string& from);
  /// A device that nobody stands behind asked for a task.
  void on_request(const std::string& device) { asked_.insert(device); }
  /// Of each device in on_request() since the last call: removes the oldest tasks that ended and that only the device
  /// asked for, above kEndedOfStranger. Once a batch, because it writes what the unit of work holds.
  void forget_ended();
  /// Removes devices that nobody vouches for and that were not seen for devices.forget_unproven_days, with the tasks
  /// that only they asked for; a bounded number. True where more may be left.
  bool forget_absent();

 private:
  TaskService& service_;
  Allowance devices_;
  Allowance claims_;
  std::uint64_t claims_left_out_ = 0;
  std::set<std::string> asked_;  // at most a batch of them
  std::string looked_at_;        // the last device that forget_absent() looked at
};

}  // namespace ota::engine
