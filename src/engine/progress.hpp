#pragma once

#include "engine/transfer_run.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/active_transfers.hpp"

namespace ota::engine {

class TaskService;

/// What active transfers moved, merged into their tasks; and what happens where nothing moves.
class Progress {
 public:
  explicit Progress(TaskService& service) : service_(service) {}

  /// Merges what the active transfer knows into the task, and saves it.
  void collect(Task& task);
  /// The same for all that changed.
  void flush();
  /// Writes what was transferred since the last such line into the log.
  void log_run(const Task& task);
  /// Nothing new came for its stall timeout.
  void stalled(Task& task);

 private:
  void merge(Task& task, const TransferChange& change);
  void note_run(const Task& task, const TransferChange& change);
  /// Names a task whose device fetches the same over and over, again each time that it was sent twice as much.
  void note_repeats(const Task& task);
  void note_device(const Task& task, const TransferChange& change);

  TaskService& service_;
};

}  // namespace ota::engine
