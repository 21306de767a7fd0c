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

class Tasks {
 public:
  explicit Tasks(Database& db);
  ~Tasks();

  /// Gives the task its number.
  void insert(Task& task);
  /// All that can change. The row is written by the next call that looks among tasks, or by write_down(): a task that
  /// changes several times in one piece of work is written once.
  void update(const Task& task);
  std::optional<Task> find(std::int64_t number);
  /// Before the caller's transaction, or a nested unit of it, ends well.
  void write_down();
  /// After one that was undone.
  void forget() { unwritten_.reset(); }

  /// The device's task that is offered, downloading, in retry_wait or installing.
  std::optional<Task> active_of(const std::string& device);
  /// Any open task of the device with that version, or one that compares as equal (same_version).
  std::optional<Task> open_of(const std::string& device, const std::string& version);
  /// The device's queued tasks, by priority and age, at most `limit`.
  std::vector<Task> queued_of(const std::string& device, int limit);

  /// Whether the task stands in the queue for a slot: its device present and free, its time come. A device has at most
  /// one such task.
  void set_ready(std::int64_t number, bool ready);
  /// The device's task in the queue, if any.
  std::optional<std::int64_t> ready_of(const std::string& device);
  /// The oldest ready task of each priority: at most four, one index seek each. Tasks that nobody asked for come only
  /// where there is no other, and then the first of them. A row that can't be read loses its place in the queue and its
  /// timers for good.
  std::vector<Task> ready_heads();
  bool queue_is_empty();  ///< nobody is ready
  /// How many ready tasks go before that one; counts up to `cap`.
  std::int64_t ready_before(const Task& task, std::int64_t cap);

  std::int64_t slots_held();
  /// The slot holder that gives way to a security task: one that nobody asked for, lowest priority, then youngest;
  /// never `security`.
  std::optional<Task> lowest_routine_holder();
  bool unasked_holds_slot();
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
  void remove(std::int64_t number);

  ChunkBitmap chunks(const Task& task);
  void save_chunks(const Task& task, const ChunkBitmap& bitmap);

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
  /// All tasks of a device, with their logs.
  void remove_of(const std::string& device);

 private:
  struct Statements;
  /// For questions whose answer a change may be part of.
  Statements& up_to_date();

  std::unique_ptr<Statements> q_;
  std::optional<Task> unwritten_;
};

class Devices {
 public:
  explicit Devices(Database& db);
  ~Devices();

  std::optional<Device> find(const std::string& id);
  void save(const Device& device);  ///< inserts or replaces
  bool remove(const std::string& id);
  /// Ids of devices whose presence ended by `now` while a task of theirs is ready.
  std::vector<std::string> lapsed(Millis now, int limit);
  std::optional<Millis> next_lapse();
  /// Keeps the device's task out of the queue: it waits for others behind `uplink`; empty: it waits no more.
  void hold(const std::string& id, const std::string& uplink, std::int64_t task);
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

/// viewer < operator < admin (api.md).
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
