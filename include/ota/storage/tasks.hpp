#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/task.hpp"
#include "ota/storage/selection.hpp"

namespace ota::storage {

class Database;

struct ReasonCount {
  std::string reason;
  std::int64_t count = 0;
};

/// Questions about tasks, from one connection's thread. The rows that a batch changes are Unit's, which must be flushed
/// before a question is asked that they may be part of the answer to.
class Tasks {
 public:
  explicit Tasks(Database& db);
  ~Tasks();

  std::optional<Task> find(std::int64_t number);
  /// The device's task that is offered, downloading, in retry_wait or installing.
  std::optional<Task> active_of(const std::string& device);
  /// The device's task that was made last, of those that can be read.
  std::optional<Task> newest_of(const std::string& device);
  /// The device's task in the queue, if any.
  std::optional<std::int64_t> ready_of(const std::string& device);
  /// The oldest ready task of each priority: at most four, one index seek each. Tasks that nobody asked for come only
  /// where there is no other, and then the first of them. A row that can't be read loses its place in the queue and its
  /// timers for good.
  std::vector<Task> ready_heads();
  /// How many ready tasks go before that one; counts up to `cap`.
  std::int64_t ready_before(const Task& task, std::int64_t cap);

  /// The slot holder that gives way to a security task: one that nobody asked for, lowest priority, then youngest;
  /// never `security`.
  std::optional<Task> lowest_routine_holder();
  bool unasked_holds_slot();
  /// How many places are taken behind that poor uplink (Task::slot_uplink).
  std::int64_t holders_at(const std::string& uplink);
  /// Open tasks whose earliest timer is not after `now`, soonest first. For rows that can't be read as ready_heads().
  std::vector<Task> due(Millis now, int limit);
  std::optional<Millis> next_due();

  /// The device's task in which it failed that version after it had the image, in words; empty: there is none, or an
  /// operator has it tried again.
  std::string failed_version(const std::string& device, const std::string& version);

  struct Age {
    std::int64_t number = 0;
    WallTime created{};
    std::optional<WallTime> ended;
    std::int64_t rollout = 0;
  };
  /// Oldest first, from the one after `after`.
  std::vector<Age> oldest(std::int64_t after, int limit);

  bool needs_firmware(std::int64_t firmware_id);
  /// Open tasks of that image, but those already verified (installing).
  std::vector<Task> open_with_image(const Digest& image, int limit);
  /// The same of one firmware, in the order of their numbers, above `after`.
  std::vector<Task> unverified_of(std::int64_t firmware_id, std::int64_t after, int limit);

  /// As Devices.
  Selected<Task> list(const Selection& selection, int limit, const std::optional<Place>& after = {});
  std::int64_t count(const Selection& selection);
  /// From counters, in constant time, as Devices::counts().
  std::array<std::int64_t, kTaskStates> by_state();
  /// When the oldest task in the queue was created; `ready`: of those that wait for a slot only.
  std::optional<WallTime> oldest_queued(bool ready);
  /// Of tasks that failed in the hour of `since` or later; the most frequent first.
  std::vector<ReasonCount> failures(WallTime since);
  /// All that hold a slot or wait for a confirmation, not those that wait at the gate.
  std::vector<Task> all_active();
  /// Whether anybody but the device itself, unproven, asked for a task of it; a rollout asks for all of its channel.
  bool asked_by_others(const std::string& device);
  /// The device's tasks that ended and that nobody but it, unproven, asked for, without the newest `kept` of them.
  std::vector<std::int64_t> ended_unasked(const std::string& device, int kept);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
