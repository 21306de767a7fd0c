#include "ota/storage/tasks.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "storage/query.hpp"
#include "storage/selection_page.hpp"
#include "storage/sqlite_database.hpp"
#include "storage/state_sets.hpp"
#include "storage/task_row.hpp"

namespace ota::storage {
namespace {

std::vector<Task> all(Rows&& rows, int limit = INT_MAX) {
  return readable_rows(std::move(rows), "tasks", read_task, limit);
}
Tasks::Age read_age(Rows& r) {
  Tasks::Age age;
  age.number = r.integer();
  age.created = r.time();
  age.ended = r.maybe(&Rows::time);
  age.rollout = r.maybe(&Rows::integer).value_or(0);
  return age;
}

std::optional<Task> first_readable(Rows&& rows) {
  auto found = all(std::move(rows), 1);
  return found.empty() ? std::nullopt : std::optional{std::move(found.front())};
}
std::optional<Task> first(Rows&& rows) { return first_row(std::move(rows), "tasks", read_task); }

const std::string kUnverifiedOnes = in(kOpen) + " AND " + in(kUnverified);
const std::string kSlotHolders = "INDEXED BY tasks_slots WHERE " + in(kHoldsSlot);
const std::string kActiveOnes = "INDEXED BY tasks_active WHERE " + in(kActive);

}  // namespace

struct Tasks::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  SQLite::Database& db;
  Query find{db, select_tasks("WHERE number=?")};
  Query active_of{db, select_tasks(kActiveOnes + " AND device=?")};
  Query newest_of{db, select_tasks("WHERE device=? ORDER BY number DESC")};
  Query ready_of{db, "SELECT ready_task FROM devices WHERE id=?"};
  Query ready_head{db, select_tasks("WHERE wait_reason=1 AND unasked=0 AND priority=? ORDER BY number")};
  Query ready_unasked{db, select_tasks("WHERE wait_reason=1 AND unasked=1 ORDER BY priority, number")};
  Query ready_before{db,
                     "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE wait_reason=1 AND (unasked, priority, number)<"
                     "(?,?,?) LIMIT ?)"};
  Query holder{db, select_tasks(kSlotHolders + " AND (unasked, priority)>(0, 0) ORDER BY unasked DESC, priority DESC, "
                                               "number DESC")};
  Query unasked_holder{db, "SELECT 1 FROM tasks " + kSlotHolders + " AND unasked=1 LIMIT 1"};
  Query at_uplink{db, "SELECT COUNT(*) FROM tasks WHERE slot_uplink=?"};
  Query due{db, select_tasks("WHERE due<=? ORDER BY due")};
  Query set_aside{db, "UPDATE tasks SET wait_reason=0, due=NULL WHERE number=?"};
  // SQLite orders what is no number behind all numbers.
  Query next_due{db, "SELECT MIN(due) FROM tasks WHERE due IS NOT NULL AND due<=9223372036854775807"};
  Query oldest{db, "SELECT number, created, ended, rollout FROM tasks WHERE number>? ORDER BY number LIMIT ?"};
  Query needs_firmware{db, "SELECT 1 FROM tasks WHERE firmware=? AND " + in(kOpen) + " LIMIT 1"};
  Query with_image{db, select_tasks("WHERE firmware IN (SELECT id FROM firmware WHERE checksum=?) AND " +
                                    kUnverifiedOnes + " LIMIT ?")};
  Query unverified_of{db, select_tasks("WHERE firmware=? AND " + kUnverifiedOnes +
                                       " AND number>? ORDER BY number LIMIT ?")};
  Query oldest_queued{db,
                      "SELECT created FROM tasks WHERE state=0 AND typeof(created)='integer' ORDER BY number LIMIT 1"};
  Query oldest_ready{db,
                     "SELECT created FROM tasks WHERE wait_reason=1 AND unasked=? AND priority=? AND "
                     "typeof(created)='integer' ORDER BY number LIMIT 1"};
  Query counts{db, "SELECT state, version, n FROM task_counts"};
  Query failures{db, "SELECT reason, n FROM failure_counts WHERE hour>=?"};
  Query active{db, select_tasks("INDEXED BY tasks_state WHERE " + in({TaskState::offered, TaskState::downloading,
                                                                      TaskState::retry_wait, TaskState::installing}))};
  Query failed_version{db,
                       "SELECT number, day, reason FROM tasks AS t INDEXED BY tasks_device WHERE device=?1 AND state=6 "
                       "AND version_key=version_key(?2) AND "
                       "reason IN ('rolled_back', 'device_failed', 'silent', 'confirm_timeout') AND NOT EXISTS "
                       "(SELECT 1 FROM tasks INDEXED BY tasks_device WHERE device=?1 AND retry_of=t.number) "
                       "ORDER BY number DESC LIMIT 1"};
  Query asked_by_others{db, "SELECT 1 FROM tasks INDEXED BY tasks_device WHERE device=? AND unasked=0 AND "
                              "rollout IS NULL LIMIT 1"};
  Query ended_unasked{db, "SELECT number FROM tasks INDEXED BY tasks_device WHERE device=? AND unasked=1 AND " +
                              in(kEnded) + " ORDER BY number DESC LIMIT -1 OFFSET ?"};
};

Tasks::Tasks(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
Tasks::~Tasks() = default;

std::optional<Task> Tasks::find(std::int64_t number) { return first(q_->find.rows(number)); }
std::optional<Task> Tasks::active_of(const std::string& device) { return first(q_->active_of.rows(device)); }

std::optional<Task> Tasks::newest_of(const std::string& device) { return first_readable(q_->newest_of.rows(device)); }

std::optional<std::int64_t> Tasks::ready_of(const std::string& device) {
  return q_->ready_of.value(&Rows::integer, device);
}

std::vector<Task> Tasks::ready_heads() {
  std::vector<Task> heads;
  const auto add_first = [&](Rows rows) {
    std::vector<std::string> bad;
    auto head = readable_rows(std::move(rows), "tasks", read_task, 1, &bad);
    for (const auto& number : bad) q_->set_aside.run(number);
    if (!head.empty()) heads.push_back(std::move(head.front()));
  };
  for (const auto priority : {Priority::security, Priority::high, Priority::normal, Priority::low})
    add_first(q_->ready_head.rows(priority));
  if (heads.empty()) add_first(q_->ready_unasked.rows());
  return heads;
}

std::int64_t Tasks::ready_before(const Task& task, std::int64_t cap) {
  return q_->ready_before.value(&Rows::integer, task.unasked, task.priority, task.id.number, cap).value_or(0);
}

std::optional<Task> Tasks::lowest_routine_holder() { return first_readable(q_->holder.rows()); }

bool Tasks::unasked_holds_slot() { return q_->unasked_holder.rows().next(); }

std::vector<Task> Tasks::due(Millis now, int limit) {
  std::vector<std::string> bad;
  auto found = readable_rows(q_->due.rows(now), "tasks", read_task, limit, &bad);
  for (const auto& number : bad) q_->set_aside.run(number);
  return found;
}

std::optional<Millis> Tasks::next_due() { return q_->next_due.value(&Rows::millis); }

std::string Tasks::failed_version(const std::string& device, const std::string& version) {
  auto rows = q_->failed_version.rows(device, version);
  if (!rows.next()) return {};
  TaskId id;
  id.number = rows.integer();
  id.day = rows.small();
  return "task " + id.str() + " failed: " + rows.text();
}

std::vector<Tasks::Age> Tasks::oldest(std::int64_t after, int limit) {
  return readable_rows(q_->oldest.rows(after, limit), "tasks", read_age);
}

bool Tasks::needs_firmware(std::int64_t firmware_id) { return q_->needs_firmware.rows(firmware_id).next(); }

std::vector<Task> Tasks::open_with_image(const Digest& image, int limit) {
  return all(q_->with_image.rows(image, limit));
}

std::vector<Task> Tasks::unverified_of(std::int64_t firmware_id, std::int64_t after, int limit) {
  return all(q_->unverified_of.rows(firmware_id, after, limit));
}

Selected<Task> Tasks::list(const Selection& selection, int limit, const std::optional<Place>& after) {
  return select_page<Task>(q_->db, selection, Selects::tasks, limit, after,
                           [this](const SqlValue& number) { return find(std::get<std::int64_t>(number)); });
}

std::int64_t Tasks::count(const Selection& selection) {
  if (!only_of(selection, {"state", "version"})) return count_rows(q_->db, selection, Selects::tasks);
  std::int64_t count = 0;
  for_readable(q_->counts.rows(), "task_counts", [&](Rows& rows) {
    Task like;
    like.state = static_cast<TaskState>(rows.integer());
    like.version = rows.text();
    const auto tasks = rows.integer();
    if (matches(selection.conditions, Subject{nullptr, &like})) count += tasks;
  });
  return count;
}

std::array<std::int64_t, kTaskStates> Tasks::by_state() {
  std::array<std::int64_t, kTaskStates> counts{};
  for_readable(q_->counts.rows(), "task_counts", [&](Rows& rows) {
    const auto state = static_cast<std::size_t>(rows.integer());
    rows.text();  // the version
    if (state < counts.size()) counts[state] += rows.integer();
  });
  return counts;
}

std::optional<WallTime> Tasks::oldest_queued(bool ready) {
  if (!ready) return q_->oldest_queued.value(&Rows::time);
  std::optional<WallTime> oldest;
  for (const bool unasked : {false, true})
    for (const auto priority : {Priority::security, Priority::high, Priority::normal, Priority::low}) {
      const auto created = q_->oldest_ready.value(&Rows::time, unasked, priority);
      if (created && (!oldest || *created < *oldest)) oldest = created;
    }
  return oldest;
}

std::vector<ReasonCount> Tasks::failures(WallTime since) {
  std::map<std::string, std::int64_t> by_reason;
  const auto hour = std::chrono::floor<std::chrono::hours>(since).time_since_epoch().count();
  for_readable(q_->failures.rows(static_cast<std::int64_t>(hour)), "failure_counts", [&](Rows& rows) {
    const auto reason = rows.text();
    by_reason[reason] += rows.integer();
  });
  std::vector<ReasonCount> counts;
  counts.reserve(by_reason.size());
  for (const auto& [reason, count] : by_reason) counts.push_back({reason, count});
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.count > b.count; });
  return counts;
}

std::vector<Task> Tasks::all_active() { return all(q_->active.rows()); }

bool Tasks::asked_by_others(const std::string& device) { return q_->asked_by_others.rows(device).next(); }

std::vector<std::int64_t> Tasks::ended_unasked(const std::string& device, int kept) {
  std::vector<std::int64_t> numbers;
  auto rows = q_->ended_unasked.rows(device, kept);
  while (rows.next()) numbers.push_back(rows.integer());
  return numbers;
}

std::int64_t Tasks::holders_at(const std::string& uplink) {
  return q_->at_uplink.value(&Rows::integer, uplink).value_or(0);
}

}  // namespace ota::storage
