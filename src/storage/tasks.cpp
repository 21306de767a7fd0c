#include <fmt/format.h>

#include <utility>

#include "ota/domain/version.hpp"
#include "ota/storage/tables.hpp"
#include "storage/database_impl.hpp"

namespace ota::storage {
namespace {

// In the order of read() and of the update's parameters.
constexpr const char* kColumns =
    "number, day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, state, attempt, "
    "max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, updated, offered, ended, "
    "not_before, expires_at, confirm_by, queued_at_tl, wait_due, expiry_due, state_due, retry_due, stalls, heard, "
    "parked, chunks_have, bytes_sent, percent, detail, confirmed, unasked, downgrade_key_id, downgrade_value, "
    "downgrade_device, downgrade_expires";

std::string select(const std::string& rest) { return fmt::format("SELECT {} FROM tasks {}", kColumns, rest); }

std::optional<DowngradePermission> read_downgrade(Rows& r) {
  auto key_id = r.maybe(&Rows::text);
  auto value = r.maybe(&Rows::text).value_or("");
  auto device = r.maybe(&Rows::text).value_or("");
  auto expires = r.maybe(&Rows::text).value_or("");
  if (!key_id) return {};
  return DowngradePermission{std::move(device), std::move(expires), {std::move(*key_id), std::move(value)}};
}

Task read(Rows& r) {
  Task t;
  t.id.number = r.integer();
  t.id.day = r.small();
  t.device = r.text();
  t.firmware_id = r.integer();
  t.version = r.text();
  t.hardware = r.text();
  t.checksum = r.digest();
  t.size = static_cast<std::uint64_t>(r.number(INT64_MAX));
  t.chunk_bytes = r.unsigned32();
  t.priority = r.word<Priority>();
  t.state = r.word<TaskState>();
  t.attempt = r.small();
  t.max_attempts = r.small();
  t.confirm = r.word<Confirm>();
  t.force = r.flag();
  t.reason = r.text();
  t.from_version = r.text();
  t.created_by = r.text();
  t.retry_of = r.integer();
  t.created = r.time();
  t.updated = r.time();
  t.offered = r.maybe(&Rows::time);
  t.ended = r.maybe(&Rows::time);
  t.not_before = r.maybe(&Rows::time);
  t.expires_at = r.maybe(&Rows::time);
  t.confirm_by = r.maybe(&Rows::time);
  t.queued_at_tl = r.millis();
  t.wait_due = r.maybe(&Rows::millis);
  t.expiry_due = r.maybe(&Rows::millis);
  t.state_due = r.maybe(&Rows::millis);
  t.retry_due = r.maybe(&Rows::millis);
  t.stalls = r.small();
  t.heard = r.flag();
  t.parked = r.flag();
  t.chunks_have = static_cast<std::uint32_t>(r.number(kMaxChunks));
  t.bytes_sent = static_cast<std::uint64_t>(r.number(INT64_MAX));
  t.percent = r.small();
  t.detail = r.text();
  t.confirmed = r.flag();
  t.unasked = r.flag();
  t.downgrade = read_downgrade(r);
  if (!DeviceId::parse(t.device)) throw BadValue("device is no device id");
  if (t.size == 0 || t.chunk_bytes == 0 || (t.size - 1) / t.chunk_bytes >= kMaxChunks)
    throw BadValue(fmt::format("size {} and chunk_bytes {} make no grid", t.size, t.chunk_bytes));
  return t;
}

std::optional<Millis> earliest_due(const Task& t) {
  if (is_ended(t.state)) return {};
  std::optional<Millis> due;
  // Verified already, its confirmation decides.
  const auto expiry = t.state == TaskState::installing ? std::nullopt : t.expiry_due;
  for (const auto& at : {t.wait_due, expiry, t.state_due})
    if (at && (!due || *at < *due)) due = at;
  return due;
}

std::vector<Task> all(Rows&& rows, int limit = INT_MAX) { return readable_rows(std::move(rows), "tasks", read, limit); }
std::optional<Task> first(Rows&& rows) { return first_row(std::move(rows), "tasks", read); }

}  // namespace

struct Tasks::Statements {
  explicit Statements(Database::Impl& i) : impl(i) {}

  Database::Impl& impl;
  SQLite::Database& db = impl.db;
  Query insert{db,
               "INSERT INTO tasks (day, device, firmware, version, hardware, checksum, size, chunk_bytes, priority, "
               "state, attempt, max_attempts, confirm, force, reason, from_version, created_by, retry_of, created, "
               "updated, not_before, expires_at, queued_at_tl, wait_due, expiry_due, due, unasked, stalls, heard, "
               "parked, chunks_have, bytes_sent, percent, downgrade_key_id, downgrade_value, downgrade_device, "
               "downgrade_expires) VALUES "
               "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,?,?,?,?)"};
  Query update{db,
               "UPDATE tasks SET chunk_bytes=?2, priority=?3, state=?4, attempt=?5, reason=?6, from_version=?7, "
               "updated=?8, offered=?9, ended=?10, confirm_by=?11, wait_due=?12, expiry_due=?13, state_due=?14, "
               "retry_due=?15, due=?16, stalls=?17, heard=?18, parked=?19, chunks_have=?20, bytes_sent=?21, "
               "percent=?22, detail=?23, confirmed=?24, unasked=?25 WHERE number=?1"};
  Query find{db, select("WHERE number=?")};
  Query active_of{db, select("INDEXED BY tasks_active WHERE device=? AND state>0 AND state<5")};
  Query open_of{db, "SELECT number, version FROM tasks INDEXED BY tasks_open WHERE device=? AND state<5"};
  Query queued_of{db, select("WHERE device=? AND state<5 AND state=0 ORDER BY priority, number LIMIT ?")};
  Query set_ready{db, "UPDATE tasks SET ready=?2 WHERE number=?1"};
  Query set_device_ready{db, "UPDATE devices SET ready_task=?2 WHERE id=(SELECT device FROM tasks WHERE number=?1)"};
  Query ready_of{db, "SELECT ready_task FROM devices WHERE id=?"};
  Query ready_any{db, "SELECT 1 FROM tasks WHERE ready=1 LIMIT 1"};
  Query ready_head{db, select("WHERE ready=1 AND unasked=0 AND priority=? ORDER BY number")};
  Query ready_unasked{db, select("WHERE ready=1 AND unasked=1 ORDER BY priority, number")};
  Query ready_before{db,
                     "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE ready=1 AND (unasked, priority, number)<(?,?,?) "
                     "LIMIT ?)"};
  Query slots{db, "SELECT COUNT(*) FROM tasks INDEXED BY tasks_slots WHERE state>0 AND state<4"};
  Query holder{db, select("INDEXED BY tasks_slots WHERE state>0 AND state<4 AND (unasked, priority)>(0, 0) ORDER BY "
                          "unasked DESC, priority DESC, number DESC LIMIT 1")};
  Query unasked_holder{db,
                       "SELECT 1 FROM tasks INDEXED BY tasks_slots WHERE state>0 AND state<4 AND unasked=1 LIMIT 1"};
  Query due{db, select("WHERE due<=? ORDER BY due")};
  Query set_aside{db, "UPDATE tasks SET ready=0, due=NULL WHERE number=?"};
  Query next_due{db, "SELECT MIN(due) FROM tasks WHERE due IS NOT NULL"};
  Query chunks{db, "SELECT bitmap FROM task_chunks WHERE task=?"};
  Query save_chunks{db, "INSERT OR REPLACE INTO task_chunks (task, bitmap) VALUES (?,?)"};
  Query drop_chunks{db, "DELETE FROM task_chunks WHERE task=?"};
  Query oldest{db, "SELECT number, created, ended FROM tasks WHERE number>? ORDER BY number LIMIT ?"};
  Query remove{db, "DELETE FROM tasks WHERE number=?"};
  Query needs_firmware{db, "SELECT 1 FROM tasks WHERE firmware=? AND state<5 LIMIT 1"};
  Query with_image{db, select("WHERE firmware IN (SELECT id FROM firmware WHERE checksum=?) AND state<5 AND state<4 "
                              "LIMIT ?")};
  Query unverified_of{db, select("WHERE firmware=? AND state<5 AND state<4 AND number>? ORDER BY number LIMIT ?")};
  Query active{db, select("INDEXED BY tasks_active WHERE state>0 AND state<5")};
  Query asked_by_others{db, "SELECT 1 FROM tasks INDEXED BY tasks_device WHERE device=? AND unasked=0 LIMIT 1"};
  Query ended_unasked{db,
                      "SELECT number FROM tasks INDEXED BY tasks_device WHERE device=? AND unasked=1 AND state>=5 ORDER "
                      "BY number DESC LIMIT -1 OFFSET ?"};
  Query remove_logs{db, "DELETE FROM transfer_log WHERE task IN (SELECT number FROM tasks WHERE device=?)"};
  Query remove_chunks{db, "DELETE FROM task_chunks WHERE task IN (SELECT number FROM tasks WHERE device=?)"};
  Query remove_of{db, "DELETE FROM tasks WHERE device=?"};
};

Tasks::Tasks(Database& db) : q_(std::make_unique<Statements>(db.impl())) {}
Tasks::~Tasks() = default;

void Tasks::insert(Task& t) {
  std::optional<std::string> key_id, value, device, expires;
  if (const auto& permit = t.downgrade) {
    key_id = permit->signature.key_id;
    value = permit->signature.value;
    device = permit->device;
    expires = permit->expires;
  }
  q_->insert.run(t.id.day, t.device, t.firmware_id, t.version, t.hardware, t.checksum, t.size, t.chunk_bytes,
                 t.priority, t.state, t.attempt, t.max_attempts, t.confirm, t.force, t.reason, t.from_version,
                 t.created_by, t.retry_of, t.created, t.updated, t.not_before, t.expires_at, t.queued_at_tl, t.wait_due,
                 t.expiry_due, earliest_due(t), t.unasked, key_id, value, device, expires);
  t.id.number = q_->db.getLastInsertRowid();
  q_->impl.task_inserted = true;
}

void Tasks::update(const Task& t) {
  if (unwritten_ && unwritten_->id.number != t.id.number) write_down();
  unwritten_ = t;
}

void Tasks::write_down() {
  if (!unwritten_) return;
  const auto t = *std::exchange(unwritten_, std::nullopt);
  q_->update.run(t.id.number, t.chunk_bytes, t.priority, t.state, t.attempt, t.reason, t.from_version, t.updated,
                 t.offered, t.ended, t.confirm_by, t.wait_due, t.expiry_due, t.state_due, t.retry_due, earliest_due(t),
                 t.stalls, t.heard, t.parked, t.chunks_have, t.bytes_sent, t.percent, t.detail, t.confirmed, t.unasked);
}

Tasks::Statements& Tasks::up_to_date() {
  write_down();
  return *q_;
}

std::optional<Task> Tasks::find(std::int64_t number) {
  if (unwritten_ && unwritten_->id.number == number) return unwritten_;
  return first(q_->find.rows(number));
}

std::optional<Task> Tasks::active_of(const std::string& device) { return first(up_to_date().active_of.rows(device)); }

std::optional<Task> Tasks::open_of(const std::string& device, const std::string& version) {
  std::optional<std::int64_t> number;
  {
    auto rows = up_to_date().open_of.rows(device);
    while (!number && rows.next()) {
      const auto found = rows.integer();
      if (same_version(rows.text(), version)) number = found;
    }
  }
  return number ? find(*number) : std::nullopt;
}

std::vector<Task> Tasks::queued_of(const std::string& device, int limit) {
  return all(up_to_date().queued_of.rows(device, limit));
}

void Tasks::set_ready(std::int64_t number, bool ready) {
  q_->set_ready.run(number, ready);
  q_->set_device_ready.run(number, ready ? std::optional{number} : std::nullopt);
}

std::optional<std::int64_t> Tasks::ready_of(const std::string& device) {
  auto rows = q_->ready_of.rows(device);
  if (!rows.next()) return {};
  return rows.maybe(&Rows::integer);
}

bool Tasks::queue_is_empty() { return !q_->ready_any.rows().next(); }

std::vector<Task> Tasks::ready_heads() {
  std::vector<Task> heads;
  if (queue_is_empty()) return heads;  // most often
  const auto add_first = [&](Rows rows) {
    std::vector<std::string> bad;
    auto head = readable_rows(std::move(rows), "tasks", read, 1, &bad);
    for (const auto& number : bad) q_->set_aside.run(number);
    if (!head.empty()) heads.push_back(std::move(head.front()));
  };
  for (const auto priority : {Priority::security, Priority::high, Priority::normal, Priority::low})
    add_first(up_to_date().ready_head.rows(priority));
  if (heads.empty()) add_first(q_->ready_unasked.rows());
  return heads;
}

std::int64_t Tasks::ready_before(const Task& task, std::int64_t cap) {
  auto rows = up_to_date().ready_before.rows(task.unasked, task.priority, task.id.number, cap);
  return rows.next() ? rows.integer() : 0;
}

std::int64_t Tasks::slots_held() {
  auto rows = up_to_date().slots.rows();
  return rows.next() ? rows.integer() : 0;
}

std::optional<Task> Tasks::lowest_routine_holder() { return first(up_to_date().holder.rows()); }
bool Tasks::unasked_holds_slot() { return up_to_date().unasked_holder.rows().next(); }
std::vector<Task> Tasks::due(Millis now, int limit) {
  std::vector<std::string> bad;
  auto found = readable_rows(up_to_date().due.rows(now), "tasks", read, limit, &bad);
  for (const auto& number : bad) q_->set_aside.run(number);
  return found;
}

std::optional<Millis> Tasks::next_due() {
  auto rows = up_to_date().next_due.rows();
  if (!rows.next()) return {};
  return rows.maybe(&Rows::millis);
}

std::vector<Tasks::Age> Tasks::oldest(std::int64_t after, int limit) {
  std::vector<Age> found;
  auto rows = up_to_date().oldest.rows(after, limit);
  while (rows.next()) {
    Age age;
    age.number = rows.integer();
    age.created = rows.time();
    age.ended = rows.maybe(&Rows::time);
    found.push_back(age);
  }
  return found;
}

void Tasks::remove(std::int64_t number) { up_to_date().remove.run(number); }

ChunkBitmap Tasks::chunks(const Task& task) {
  auto rows = q_->chunks.rows(task.id.number);
  if (!rows.next()) return ChunkBitmap{task.grid().count()};
  return ChunkBitmap{task.grid().count(), rows.blob()};
}

void Tasks::save_chunks(const Task& task, const ChunkBitmap& bitmap) {
  if (is_ended(task.state))
    q_->drop_chunks.run(task.id.number);
  else
    q_->save_chunks.run(task.id.number, bitmap.bytes());
}

bool Tasks::needs_firmware(std::int64_t firmware_id) { return up_to_date().needs_firmware.rows(firmware_id).next(); }

std::vector<Task> Tasks::open_with_image(const Digest& image, int limit) {
  return all(up_to_date().with_image.rows(image, limit));
}

std::vector<Task> Tasks::unverified_of(std::int64_t firmware_id, std::int64_t after, int limit) {
  return all(up_to_date().unverified_of.rows(firmware_id, after, limit));
}

std::vector<Task> Tasks::list(const TaskFilter& filter, std::int64_t before, int limit) {
  // Built for each call: which filters are there decides the index.
  std::string where = "WHERE number<?";
  if (filter.state) where += " AND state=" + std::to_string(static_cast<int>(*filter.state));
  if (filter.device) where += " AND device=?";
  if (filter.version) where += " AND version=?";
  Query query(up_to_date().db, select(where + " ORDER BY number DESC"));
  const std::int64_t below = before > 0 ? before : INT64_MAX;
  if (filter.device && filter.version) return all(query.rows(below, *filter.device, *filter.version), limit);
  if (filter.device) return all(query.rows(below, *filter.device), limit);
  if (filter.version) return all(query.rows(below, *filter.version), limit);
  return all(query.rows(below), limit);
}

std::vector<Task> Tasks::all_active() { return all(up_to_date().active.rows()); }

bool Tasks::asked_by_others(const std::string& device) { return up_to_date().asked_by_others.rows(device).next(); }

std::vector<std::int64_t> Tasks::ended_unasked(const std::string& device, int kept) {
  std::vector<std::int64_t> numbers;
  auto rows = up_to_date().ended_unasked.rows(device, kept);
  while (rows.next()) numbers.push_back(rows.integer());
  return numbers;
}

void Tasks::remove_of(const std::string& device) {
  auto& q = up_to_date();
  q.remove_logs.run(device);
  q.remove_chunks.run(device);
  q.remove_of.run(device);
}

}  // namespace ota::storage
