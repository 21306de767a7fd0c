// The counters that are kept beside the rows of tasks and devices: how many of them are in each state, version, bucket.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "ota/domain/bucket.hpp"
#include "ota/domain/task.hpp"
#include "storage/query.hpp"

namespace ota::storage {

/// Which counters a task is in.
struct TaskCounted {
  /// Of `task_counts`.
  struct Standing {
    TaskState state = TaskState::queued;
    std::string version;
    auto operator<=>(const Standing&) const = default;
  };
  /// Of `failure_counts`.
  struct Failure {
    std::int64_t hour = 0;  ///< of its end, since 1970
    std::string reason;
    auto operator<=>(const Failure&) const = default;
  };
  Standing standing;
  std::optional<Failure> failure;        ///< of a failed task
  std::optional<Membership> membership;  ///< of a rollout's task: `rollout_counts`
  bool operator==(const TaskCounted&) const = default;
};
TaskCounted counted_as(const Task& task);

/// What a device is counted by.
struct DeviceCounted {
  std::string channel;
  std::string hardware;
  std::string version;
  bool pinned = false;
  std::int64_t poll_s = 0;             ///< Device::poll
  std::optional<std::int64_t> minute;  ///< of its last contact, since 1970
  bool operator==(const DeviceCounted&) const = default;

  /// Of `fleet`: channel, hardware, version, pinned, and the UTC day of the last contact since 1970; -1: none yet.
  using Kind = std::tuple<std::string, std::string, std::string, bool, std::int64_t>;
  Kind kind() const;
  /// Of `device_minutes`: minute (0: none yet), poll_s, channel, hardware.
  using Contact = std::tuple<std::int64_t, std::int64_t, std::string, std::string>;
  Contact contact() const;
};
DeviceCounted counted_as(const Device& device);

/// Collects what rows that are written change, and writes that once. One thread's, in the transaction that writes the
/// rows. Counters of nothing have no row. Every function may throw Fault.
class Counters {
 public:
  explicit Counters(SQLite::Database& db);

  /// Nothing: not there before, or no longer.
  void move(const std::optional<TaskCounted>& from, const std::optional<TaskCounted>& to);
  void move(const std::optional<DeviceCounted>& from, const std::optional<DeviceCounted>& to);
  // For rows that are about to be removed or replaced, also where they can't be read: by what the database holds.
  void leave_task(std::int64_t number);
  void leave_tasks_of(const std::string& device);
  void leave_device(const std::string& id);

  void write();
  /// Of a transaction that is undone.
  void forget();

 private:
  template <class Key>
  using Moves = std::map<Key, std::int64_t>;

  void leave_tasks(Rows&& rows);

  Moves<TaskCounted::Standing> standings_;
  Moves<TaskCounted::Failure> failures_;
  Moves<Membership> memberships_;
  Moves<DeviceCounted::Kind> kinds_;
  Moves<DeviceCounted::Contact> contacts_;

  /// Adds to a counter, and removes it where nothing is left.
  struct Table {
    Table(SQLite::Database& db, std::string_view name, std::string_view key);
    Query add;
    Query drop;
    template <class... Values>
    void change(std::int64_t n, const Values&... key) const {
      if (n != 0 && add.value(&Rows::integer, key..., n).value_or(0) <= 0) drop.run(key...);
    }
  };
  Table standing_table_;
  Table failure_table_;
  Table membership_table_;
  Table kind_table_;
  Table contact_table_;
  Query task_;
  Query tasks_of_;
  Query device_;
};

/// From rows of (from_version, contact, bucket, n).
RolloutCounts read_rollout_counts(Rows&& rows, std::int64_t rollout);
inline constexpr const char* kSelectRolloutCounts =
    "SELECT from_version, contact, bucket, n FROM rollout_counts WHERE rollout=?";

}  // namespace ota::storage
