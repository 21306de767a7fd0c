#include "storage/counters.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string_view>
#include <utility>

namespace ota::storage {
namespace {

constexpr const char* kTaskColumns =
    "state, version, COALESCE(ended, updated)/3600000, reason, rollout, from_version, contact, bucket";

constexpr std::int64_t kMinutesOfDay = 24 * 60;

template <class Key>
void shift(std::map<Key, std::int64_t>& moves, Key key, std::int64_t n) {
  moves[std::move(key)] += n;
}

template <class Key>
void shift(std::map<Key, std::int64_t>& moves, const std::optional<Key>& key, std::int64_t n) {
  if (key) moves[*key] += n;
}

template <class Time>
std::int64_t since_1970(WallTime at) {
  return std::chrono::floor<Time>(at).time_since_epoch().count();
}

}  // namespace

TaskCounted counted_as(const Task& task) {
  TaskCounted counted{{task.state, task.version}, {}, membership(task)};
  if (task.state == TaskState::failed)
    counted.failure = {since_1970<std::chrono::hours>(task.ended.value_or(task.updated)), task.reason};
  return counted;
}

DeviceCounted counted_as(const Device& device) {
  DeviceCounted counted{device.channel, device.hardware,     device.current_version,
                        device.pinned,  device.poll.count(), {}};
  if (device.last_seen) counted.minute = since_1970<std::chrono::minutes>(*device.last_seen);
  return counted;
}

DeviceCounted::Kind DeviceCounted::kind() const {
  return {channel, hardware, version, pinned, minute ? *minute / kMinutesOfDay : -1};
}

DeviceCounted::Contact DeviceCounted::contact() const { return {minute.value_or(0), poll_s, channel, hardware}; }

Counters::Table::Table(SQLite::Database& db, std::string_view name, std::string_view key)
    : add(db, fmt::format("INSERT INTO {0} ({1}, n) VALUES ({2},?) ON CONFLICT ({1}) DO UPDATE SET n=n+excluded.n "
                          "RETURNING n",
                          name, key, marks(key))),
      drop(db, fmt::format("DELETE FROM {0} WHERE ({1})=({2})", name, key, marks(key))) {}

Counters::Counters(SQLite::Database& db)
    : standing_table_(db, "task_counts", "state, version"),
      failure_table_(db, "failure_counts", "hour, reason"),
      membership_table_(db, "rollout_counts", "rollout, from_version, contact, bucket"),
      kind_table_(db, "fleet", "channel, hardware, version, pinned, day"),
      contact_table_(db, "device_minutes", "minute, poll_s, channel, hardware"),
      task_(db, fmt::format("SELECT {} FROM tasks WHERE number=?", kTaskColumns)),
      tasks_of_(db, fmt::format("SELECT {} FROM tasks WHERE device=?", kTaskColumns)),
      device_(db,
              "SELECT channel, hardware, current_version, pinned, poll_s, last_seen/60000 FROM devices WHERE id=?") {}

void Counters::move(const std::optional<TaskCounted>& from, const std::optional<TaskCounted>& to) {
  if (from == to) return;
  for (const auto& [counted, n] : {std::pair{&from, -1}, {&to, 1}}) {
    if (!*counted) continue;
    shift(standings_, (*counted)->standing, n);
    shift(failures_, (*counted)->failure, n);
    shift(memberships_, (*counted)->membership, n);
  }
}

void Counters::move(const std::optional<DeviceCounted>& from, const std::optional<DeviceCounted>& to) {
  if (from == to) return;
  for (const auto& [counted, n] : {std::pair{&from, -1}, {&to, 1}}) {
    if (!*counted) continue;
    shift(kinds_, (*counted)->kind(), n);
    shift(contacts_, (*counted)->contact(), n);
  }
}

void Counters::leave_tasks(Rows&& all) {
  for_readable(std::move(all), "tasks", [&](Rows& rows) {
    TaskCounted counted;
    counted.standing.state = static_cast<TaskState>(rows.integer());
    counted.standing.version = rows.text();
    TaskCounted::Failure failure;
    failure.hour = rows.integer();
    failure.reason = rows.text();
    if (counted.standing.state == TaskState::failed) counted.failure = std::move(failure);
    if (const auto rollout = rows.maybe(&Rows::integer)) {
      auto& of = counted.membership.emplace();
      of.rollout = *rollout;
      of.from_version = rows.text();
      of.contact = static_cast<ContactClass>(rows.integer());
      of.bucket = static_cast<Bucket>(rows.integer());
    }
    move(counted, std::nullopt);
  });
}

void Counters::leave_task(std::int64_t number) { leave_tasks(task_.rows(number)); }
void Counters::leave_tasks_of(const std::string& device) { leave_tasks(tasks_of_.rows(device)); }

void Counters::leave_device(const std::string& id) {
  for_readable(device_.rows(id), "devices", [&](Rows& rows) {
    DeviceCounted counted;
    counted.channel = rows.text();
    counted.hardware = rows.text();
    counted.version = rows.text();
    counted.pinned = rows.integer() != 0;
    counted.poll_s = rows.integer();
    counted.minute = rows.maybe(&Rows::integer);
    move(counted, std::nullopt);
  });
}

void Counters::write() {
  for (const auto& [of, n] : std::exchange(standings_, {})) standing_table_.change(n, of.state, of.version);
  for (const auto& [of, n] : std::exchange(failures_, {})) failure_table_.change(n, of.hour, of.reason);
  for (const auto& [of, n] : std::exchange(memberships_, {}))
    membership_table_.change(n, of.rollout, of.from_version, of.contact, of.bucket);
  const auto change = [](const Table& table, const auto& moves) {
    for (const auto& [of, n] : moves)
      std::apply([&table, n = n](const auto&... key) { table.change(n, key...); }, of);
  };
  change(kind_table_, std::exchange(kinds_, {}));
  change(contact_table_, std::exchange(contacts_, {}));
}

void Counters::forget() {
  standings_.clear();
  failures_.clear();
  memberships_.clear();
  kinds_.clear();
  contacts_.clear();
}

RolloutCounts read_rollout_counts(Rows&& rows, std::int64_t rollout) {
  RolloutCounts counts;
  Membership of;
  of.rollout = rollout;
  // The engine counts them again at each start.
  for_readable(std::move(rows), "rollout_counts", [&](Rows& row) {
    of.from_version = row.text();
    of.contact = row.word<ContactClass>();
    of.bucket = row.word<Bucket>();
    counts.add(of, row.integer());
  });
  return counts;
}

}  // namespace ota::storage
