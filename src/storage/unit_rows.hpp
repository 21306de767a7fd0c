// The rows of a unit in memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ota/storage/transfer_log.hpp"
#include "ota/storage/unit.hpp"
#include "storage/counters.hpp"
#include "storage/device_row.hpp"
#include "storage/sqlite_database.hpp"
#include "storage/state_sets.hpp"
#include "storage/task_row.hpp"

namespace ota::storage {

struct Unit::Impl {
  struct TaskEntry {
    Task row;
    std::optional<TaskCounted> counted;  // as it was written
    bool is_new = false;
    bool changed = false;
    bool has_bitmap = false;            // in the database
    std::optional<ChunkBitmap> bitmap;  // as it will be
    bool bitmap_changed = false;
  };
  struct DeviceEntry {
    std::optional<DeviceRow> row;
    std::optional<DeviceCounted> counted;  // as it was written
    std::optional<BadRow> bad;        // its row can't be read
    bool read = false;  // that it isn't there is known
    bool is_new = false;
    bool changed = false;
    bool tags_changed = false;
    bool attributes_changed = false;
    DeviceKeys keys_changed;
    bool has_tasks = false;            // `tasks` are all that were open when they were read, and those made since
    std::vector<std::int64_t> tasks;   // also those that ended since
    std::optional<BadRow> bad_active;  // the row of its active task can't be read
  };

  explicit Impl(Database& database)
      : sqlite_db(sqlite(database)), transfer_log(database), keys(database.idempotency_keys()) {}

  DeviceEntry& device(const std::string& id);
  /// The same, with its open tasks.
  DeviceEntry& with_tasks(const std::string& id);
  /// Null where there is none. Throws BadRow.
  TaskEntry* task(std::int64_t number);
  void read_devices(const std::vector<std::string>& ids);
  void read_open_tasks(const std::vector<std::string>& ids);
  void read_tasks(const std::vector<std::int64_t>& numbers);
  void read_bitmaps();
  void read_answers(const std::vector<std::string>& keys);
  TaskEntry& keep(Task task);
  void change(TaskEntry& entry, const Task& task);
  void mark_changed(TaskEntry& entry);
  void mark_changed(DeviceEntry& entry, const std::string& id);
  std::int64_t next_number();
  void write_tasks();
  void write_task(TaskEntry& entry);
  void write_bitmap(TaskEntry& entry);
  void write_devices();
  void write_log();
  void follow(const std::optional<Membership>& before, const std::optional<Membership>& now);
  void forget();

  // Rows.
  std::unordered_map<std::string, DeviceEntry> devices;
  std::unordered_map<std::int64_t, TaskEntry> tasks;
  std::unordered_map<std::string, std::optional<AnsweredOrder>> answers;
  std::vector<std::string> changed_devices;
  std::vector<std::int64_t> changed_tasks;
  std::vector<LogEntry> log;
  std::map<std::int64_t, RolloutCounts> counts;  // as the rows in memory have them
  std::set<std::int64_t> moved_rollouts;         // since take_moved()
  std::optional<std::int64_t> last_number;
  std::optional<std::int64_t> slots;
  std::int64_t ready = 0;            // of the tasks in memory
  std::optional<bool> ready_before;  // others were ready when that was asked last
  std::uint64_t version = 0;         // of queue and slots

  // Statements.
  SqliteDatabase& sqlite_db;
  SQLite::Database& db = sqlite_db.handle();
  TaskWriter task_writer{db};
  DeviceWriter device_writer{db};
  DeviceTexts device_tags{db, kTagsTable};
  DeviceTexts device_attributes{db, kAttributesTable};
  Counters counters{db};
  TransferLog transfer_log;
  IdempotencyKeys& keys;
  Query find_device{db, select_devices("WHERE id=?")};
  Query find_devices{db, select_devices("WHERE id IN (SELECT value FROM json_each(?))")};
  Query remove_device{db, "DELETE FROM devices WHERE id=?"};
  Query find_task{db, select_tasks("WHERE number=?")};
  Query find_tasks{db, select_tasks("WHERE number IN (SELECT value FROM json_each(?))")};
  Query open_of{db, select_tasks("INDEXED BY tasks_open WHERE device=? AND " + in(kOpen))};
  Query open_of_all{db, select_tasks("INDEXED BY tasks_open WHERE device IN (SELECT value FROM json_each(?)) AND " +
                                        in(kOpen))};
  Query active_owner{db, "SELECT device FROM tasks WHERE number=? AND " + in(kActive)};
  Query bitmap{db, "SELECT bitmap FROM task_chunks WHERE task=?"};
  Query bitmaps{db, "SELECT task, bitmap FROM task_chunks WHERE task IN (SELECT value FROM json_each(?))"};
  Query save_bitmap{db, "INSERT OR REPLACE INTO task_chunks (task, bitmap) VALUES (?,?)"};
  Query drop_bitmap{db, "DELETE FROM task_chunks WHERE task=?"};
  Query newest_number{db, "SELECT seq FROM sqlite_sequence WHERE name='tasks'"};
  Query slots_held{db, "SELECT COUNT(*) FROM tasks INDEXED BY tasks_slots WHERE " + in(kHoldsSlot)};
  Query ready_any{db, "SELECT 1 FROM tasks WHERE wait_reason=1 LIMIT 1"};
  Query rollout_counts{db, kSelectRolloutCounts};
  Query member{db, select_tasks("INDEXED BY tasks_rollout WHERE rollout=? AND device=?")};
  Query remove_task{db, "DELETE FROM tasks WHERE number=?"};
  Query remove_logs{db, "DELETE FROM transfer_log WHERE task IN (SELECT number FROM tasks WHERE device=?)"};
  Query remove_bitmaps{db, "DELETE FROM task_chunks WHERE task IN (SELECT number FROM tasks WHERE device=?)"};
  Query remove_tasks{db, "DELETE FROM tasks WHERE device=?"};
};

}  // namespace ota::storage
