#pragma once

#include <string>

#include "ota/domain/messages.hpp"
#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// What devices are told of a task (docs/device-protocol.md).
class Replies {
 public:
  explicit Replies(TaskService& service) : service_(service) {}

  /// Of a task that holds a slot.
  Offer offer(const Task& task);
  RetryAnswer retry(const Task& task, const std::string& reason);
  QueuedAnswer queued(const Task& task);
  SuccessAnswer success(const Task& task) const;
  /// For a task that waits for the device no more; for succeeded and failed ones the answer that it got.
  Answer ended(const Task& task) const;

 private:
  TaskService& service_;
};

}  // namespace ota::engine
