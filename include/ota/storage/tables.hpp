// The rows: tasks, devices, firmware, transfer log, keys. Each class holds prepared statements on one connection and is
// used from that connection's thread, inside the caller's transaction. All may throw storage::Fault; what answers one
// row BadRow where it can't be read. Lists pass over such rows and name them in bad_rows().
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ota/domain/audit.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/storage/bad_rows.hpp"
#include "ota/storage/database.hpp"

namespace ota::storage {

struct TaskFilter {
  std::optional<TaskState> state;
  std::optional<std::string> device;
  std::optional<std::string> version;
};

/// Questions about tasks. The rows that a batch changes are Unit's, which must be flushed before a question is asked
/// that they may be part of the answer to.
class Tasks {
 public:
  explicit Tasks(Database& db);
  ~Tasks();

  std::optional<Task> find(std::int64_t number);
  /// The device's task that is offered, downloading, in retry_wait or installing.
  std::optional<Task> active_of(const std::string& device);
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

  struct Age {
    std::int64_t number = 0;
    WallTime created{};
    std::optional<WallTime> ended;
  };
  /// Oldest first, from the one after `after`.
  std::vector<Age> oldest(std::int64_t after, int limit);

  bool needs_firmware(std::int64_t firmware_id);
  /// Open tasks of that image, but those already verified (installing).
  std::vector<Task> open_with_image(const Digest& image, int limit);
  /// The same of one firmware, in the order of their numbers, above `after`.
  std::vector<Task> unverified_of(std::int64_t firmware_id, std::int64_t after, int limit);

  /// Newest first; `before` is a number (0: from the newest).
  std::vector<Task> list(const TaskFilter& filter, std::int64_t before, int limit);
  /// All that hold a slot or wait for a confirmation.
  std::vector<Task> all_active();
  /// Whether anybody but the device itself, unproven, asked for a task of it.
  bool asked_by_others(const std::string& device);
  /// The device's tasks that ended and that nobody but it, unproven, asked for, without the newest `kept` of them.
  std::vector<std::int64_t> ended_unasked(const std::string& device, int kept);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

/// Questions about devices, as Tasks.
class Devices {
 public:
  explicit Devices(Database& db);
  ~Devices();

  std::optional<Device> find(const std::string& id);
  /// Ids of devices whose presence ended by `now` while a task of theirs is ready.
  std::vector<std::string> lapsed(Millis now, int limit);
  std::optional<Millis> next_lapse();
  /// Who waits behind that uplink with the oldest task.
  std::optional<std::string> first_held(const std::string& uplink);
  /// How many devices have each verdict on their link.
  std::array<std::int64_t, 4> verdicts();
  /// In the order of ids, after `after`.
  std::vector<Device> list(const std::string& after, int limit);
  struct Strangers {
    std::vector<std::string> ids;
    std::string last;  ///< go on after it; empty: that was the last device
  };
  /// Which of the `limit` devices after `after` have neither operator nor secret nor certificate behind them and were
  /// not heard since `before`.
  Strangers strangers(const std::string& after, WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

class FirmwareTable {
 public:
  explicit FirmwareTable(Database& db);
  ~FirmwareTable();

  void insert(Firmware& firmware);        ///< gives it its id
  void update(const Firmware& firmware);  ///< security, notes, signature, damaged
  bool remove(std::int64_t id);
  std::optional<Firmware> find(std::int64_t id);
  std::optional<Firmware> find(const std::string& version, const std::string& hardware);
  /// All hardware that has this version.
  std::vector<Firmware> with_version(const std::string& version);
  /// The same for every version that compares as equal (same_version); goes through the catalogue's versions.
  std::vector<Firmware> with_same_version(const std::string& version);
  std::vector<Firmware> with_image(const Digest& image);
  std::vector<Firmware> list(std::int64_t before, int limit);  ///< newest first
  std::vector<Firmware> all();

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

class TransferLog {
 public:
  explicit TransferLog(Database& db);
  ~TransferLog();

  void add(const LogEntry& entry);
  /// Oldest first, ids after `after`.
  std::vector<LogEntry> list(std::int64_t task, std::int64_t after, int limit);
  /// Removes entries older than `before`, at most `limit`; answers how many.
  int prune(WallTime before, int limit);
  /// The chunks that arrived wrong in an attempt, as the device reported them one time after the other.
  std::vector<ChunkRanges> mismatches(std::int64_t task, int attempt);
  /// Whether the task has at least `count` entries.
  bool has_lines(std::int64_t task, int count);
  /// Removes entries of one task, at most `limit`; answers how many.
  int remove_of(std::int64_t task, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

/// Append-only: nothing here changes an entry, and none goes before its time.
class AuditLog {
 public:
  explicit AuditLog(Database& db);
  ~AuditLog();

  void add(const AuditEntry& entry);
  /// Newest first, ids below `before` (0: from the newest), not older than `since`; of one actor where one is named.
  std::vector<AuditEntry> list(std::optional<WallTime> since, const std::optional<std::string>& actor,
                               std::int64_t before, int limit);
  /// Removes entries older than `before`, at most `limit`; answers how many.
  int prune(WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

/// viewer < operator < admin (docs/rest.md).
enum class Role : std::uint8_t { viewer, operator_, admin };
std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

struct ApiKey {
  std::string name;
  Role role = Role::viewer;
  Digest secret{};  ///< SHA-256 of the key
  WallTime created{};
  std::optional<WallTime> last_used;
};

/// Operators' keys, small settings of the database's own, and answers to Idempotency-Keys.
class Keys {
 public:
  explicit Keys(Database& db);
  ~Keys();

  bool add(const ApiKey& key);  ///< false where the name is taken
  bool remove(const std::string& name);
  std::vector<ApiKey> all();
  void used(const std::string& name, WallTime at);

  std::optional<std::string> value(const std::string& name);
  void set_value(const std::string& name, const std::string& value);

  struct Answered {
    Digest body{};  ///< SHA-256 of the request that came with the key
    std::int64_t task = 0;
    bool created = false;
    TaskState state = TaskState::queued;  ///< as it was answered
    WallTime at{};
  };
  std::optional<Answered> answered(const std::string& key);
  void remember(const std::string& key, const Answered& answer);
  int forget_answers(WallTime before, int limit);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
