// One unit of work: the rows of devices and tasks that a batch of commands is about. They are read by set when it
// begins (others when they are asked for), change in memory, and are written once, by flush(). Undoing the transaction
// undoes the rows too, by discard(). Nothing of it outlives the unit.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/bucket.hpp"
#include "ota/domain/task.hpp"
#include "ota/storage/bad_rows.hpp"
#include "ota/storage/database.hpp"
#include "ota/storage/idempotency_keys.hpp"
#include "ota/storage/slot_queue.hpp"

namespace ota::storage {

/// What a batch's commands are about.
struct Wanted {
  std::vector<std::string> devices;  ///< read with their open tasks
  std::vector<std::int64_t> tasks;   ///< by number; read with their devices, and those devices' open tasks
  std::vector<std::string> keys;     ///< Idempotency-Keys
};

/// One thread's, inside the caller's transaction. Every function may throw Fault; those that answer a row BadRow where
/// it can't be read.
class Unit {
 public:
  explicit Unit(Database& db);
  ~Unit();

  /// Reads these by set, where they aren't here yet.
  void read(const Wanted& wanted);
  /// Writes what changed: before the transaction, or a nested one, ends well, and before a question that it may be part
  /// of the answer to (Tasks, Devices, TransferLog). Of two tasks of a device the one that leaves it is written first.
  void flush();
  /// Forgets all rows, changed or not: before a new transaction, and after one, or a nested one, was undone.
  void discard();

  std::optional<Device> device(const std::string& id);
  /// A new row, or a changed one: all but what SlotQueue changes.
  void put(const Device& device);
  void remove_device(const std::string& id);

  std::optional<Task> task(std::int64_t number);
  /// The device's task that is offered, downloading, in retry_wait or installing.
  std::optional<Task> active_of(const std::string& device);
  /// Any open task of the device with that version, or one that compares as equal (same_version).
  std::optional<Task> open_of(const std::string& device, const std::string& version);
  /// The device's queued tasks, by priority and age, at most `limit`; without those that can't be read.
  std::vector<Task> queued_of(const std::string& device, int limit);
  /// Gives the task its number.
  void insert(Task& task);
  /// All that can change of a task.
  void put(const Task& task);
  void remove_task(std::int64_t number);
  /// All tasks of a device, with their logs.
  void remove_tasks_of(const std::string& device);

  ChunkBitmap chunks(const Task& task);
  /// `task.chunks_have` is the bitmap's; those of a task that ended go.
  void put_chunks(const Task& task, const ChunkBitmap& bitmap);

  void add(LogEntry entry);

  std::optional<AnsweredOrder> answered(const std::string& key);
  void remember(const std::string& key, const AnsweredOrder& answer);

  /// The counters of a rollout; read once in a unit, and followed.
  const RolloutCounts& counts(std::int64_t rollout);
  /// Rollouts whose counters changed since this was asked last.
  std::vector<std::int64_t> take_moved();
  /// The device's task in that rollout.
  std::optional<Task> member(std::int64_t rollout, const std::string& device);

  SlotQueue& queue() { return queue_; }

 private:
  friend class SlotQueue;
  struct Impl;
  std::unique_ptr<Impl> impl_;
  SlotQueue queue_{*this};
};

}  // namespace ota::storage
