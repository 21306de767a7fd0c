#include "ota/storage/rollouts.hpp"

#include <fmt/format.h>

#include <utility>

#include "ota/base/text.hpp"
#include "storage/counters.hpp"
#include "storage/rollout_row.hpp"
#include "storage/sqlite_database.hpp"
#include "storage/task_row.hpp"

namespace ota::storage {
namespace {

constexpr int kDevicesNamed = 10;

std::string text_of(const BucketCounts& counts) { return fmt::format("{}", fmt::join(counts, " ")); }

BucketCounts counts_of(std::string_view text) {
  BucketCounts counts{};
  for (auto& n : counts) {
    const auto end = std::min(text.find(' '), text.size());
    n = parse_decimal<std::int64_t>(text.substr(0, end)).value_or(0);
    text.remove_prefix(std::min(text.size(), end + 1));
  }
  return counts;
}

Rollouts::Point read_point(Rows& rows) {
  Rollouts::Point point;
  point.at = rows.time();
  point.counts = counts_of(rows.text());
  return point;
}

}  // namespace

struct Rollouts::Statements {
  explicit Statements(SQLite::Database& d) : db(d) {}

  std::vector<Rollout> all(Rows&& rows, int limit = INT_MAX) {
    auto found = readable_rows(std::move(rows), "rollouts", read_rollout, limit);
    std::erase_if(found, [this](Rollout& rollout) {
      try {
        writer.read_stages(rollout);
        return false;
      } catch (const BadRow&) {
        return true;
      }
    });
    return found;
  }

  SQLite::Database& db;
  RolloutWriter writer{db};
  Query set_walked{db, "UPDATE rollouts SET walked=?2 WHERE number=?1"};
  Query failed_elsewhere{db,
                         "SELECT COALESCE(SUM(n), 0) FROM rollout_counts WHERE bucket=6 AND rollout IN (SELECT number "
                         "FROM rollouts WHERE channel=? AND hardware=? AND firmware=? AND number<>?)"};
  Query staged_before{db,
                      "SELECT COUNT(*) FROM (SELECT 1 FROM tasks WHERE rollout=?1 AND bucket=2 AND (bucket_since, "
                      "number)<(?2, ?3) LIMIT 1000)"};
  Query find{db, select_rollouts("WHERE number=?")};
  Query living{db, select_rollouts("WHERE state<8 ORDER BY number")};
  Query counts{db, kSelectRolloutCounts};
  Query wrong{db,
              "SELECT COUNT(*) FROM (SELECT * FROM (SELECT rollout, from_version, contact, bucket, COUNT(*) FROM tasks "
              "WHERE rollout IS NOT NULL AND bucket IS NOT NULL GROUP BY 1, 2, 3, 4 EXCEPT SELECT * FROM rollout_counts) UNION ALL "
              "SELECT * FROM (SELECT * FROM rollout_counts EXCEPT SELECT rollout, from_version, contact, "
              "bucket, COUNT(*) FROM tasks WHERE rollout IS NOT NULL AND bucket IS NOT NULL GROUP BY 1, 2, 3, 4))"};
  Query empty{db, "DELETE FROM rollout_counts"};
  Query fill{db,
             "INSERT INTO rollout_counts (rollout, from_version, contact, bucket, n) SELECT rollout, from_version, "
             "contact, bucket, COUNT(*) FROM tasks WHERE rollout IS NOT NULL AND bucket IS NOT NULL GROUP BY 1, 2, 3, 4"};
  Query members{db,
                select_tasks("WHERE rollout=?1 AND bucket=?2 AND (bucket_since>?3 OR bucket_since=?3 AND number>?4) "
                             "AND (?5='' OR reason=?5) ORDER BY bucket_since, number")};
  Query report{db, select_tasks("INDEXED BY tasks_rollout WHERE rollout=?1 AND number>?2 ORDER BY number")};
  Query ended_with_members{db,
                           "SELECT number FROM rollouts AS r WHERE state>=8 AND EXISTS (SELECT 1 FROM tasks WHERE "
                           "rollout=r.number AND bucket IN (0, 1, 2))"};
  Query before_gate{db, "SELECT number FROM tasks WHERE rollout=?1 AND bucket IN (0, 1, 2) ORDER BY number LIMIT ?2"};
  Query failures{db,
                 "SELECT reason, COUNT(*) FROM tasks WHERE rollout=? AND bucket IN (6, 7) GROUP BY reason ORDER BY 2 "
                 "DESC, 1 LIMIT ?"};
  Query failed_devices{db,
                       "SELECT device FROM tasks WHERE rollout=? AND bucket IN (6, 7) AND reason=? ORDER BY "
                       "bucket_since DESC LIMIT ?"};
  Query add_point{db, "INSERT OR REPLACE INTO rollout_points (rollout, at, counts) VALUES (?,?,?)"};
  Query points{db,
               "SELECT MAX(at), counts FROM rollout_points WHERE rollout=?1 AND at>?2 GROUP BY at/?3 ORDER BY 1 LIMIT "
               "?4"};
  Query point_before{db, "SELECT at, counts FROM rollout_points WHERE rollout=? AND at<=? ORDER BY at DESC LIMIT 1"};
  Query prune_points{db,
                     "DELETE FROM rollout_points WHERE (rollout, at) IN (SELECT rollout, at FROM rollouts CROSS JOIN "
                     "rollout_points ON rollout=number WHERE ended<? LIMIT ?)"};
  // By the devices that went offline since, which are fewer than the healthy ones.
  Query silent{db,
               "SELECT COUNT(*) FROM (SELECT 1 FROM (SELECT id FROM devices WHERE seen>=?2 AND seen<?3 LIMIT 100000) "
               "CROSS JOIN tasks ON rollout=?1 AND device=id WHERE bucket=5 LIMIT ?4)"};
};

static_assert(static_cast<int>(Bucket::staged) == 2 && static_cast<int>(Bucket::healthy) == 5 &&
              static_cast<int>(Bucket::failed) == 6 && static_cast<int>(Bucket::undelivered) == 7 &&
              static_cast<int>(RolloutState::cancelled) == 8);

Rollouts::Rollouts(Database& db) : q_(std::make_unique<Statements>(sqlite(db).handle())) {}
Rollouts::~Rollouts() = default;

void Rollouts::insert(Rollout& rollout) { q_->writer.insert(rollout); }
void Rollouts::update(const Rollout& rollout) { q_->writer.update(rollout); }

void Rollouts::set_walked(std::int64_t rollout, std::uint64_t walked) { q_->set_walked.run(rollout, walked); }

std::int64_t Rollouts::failed_elsewhere(const Rollout& rollout) {
  return q_->failed_elsewhere
      .value(&Rows::integer, rollout.spec.channel, rollout.hardware, rollout.firmware_id, rollout.id.number)
      .value_or(0);
}

std::int64_t Rollouts::staged_before(const Task& task) {
  return q_->staged_before.value(&Rows::integer, task.rollout, task.bucket_since, task.id.number).value_or(0);
}

std::optional<Rollout> Rollouts::find(std::int64_t number) {
  auto rollout = first_row(q_->find.rows(number), "rollouts", read_rollout);
  if (rollout) q_->writer.read_stages(*rollout);
  return rollout;
}

std::vector<Rollout> Rollouts::living() { return q_->all(q_->living.rows()); }

std::vector<Rollout> Rollouts::list(const RolloutFilter& filter, std::int64_t before, int limit) {
  // Built for each call: which filters are there decides the index.
  std::string where = "WHERE number<?";
  std::string states;
  for (const auto state : filter.states)
    states += (states.empty() ? "" : ",") + std::to_string(static_cast<int>(state));
  if (!states.empty()) where += " AND state IN (" + states + ")";
  if (filter.channel) where += " AND channel=?";
  Query query(q_->db, select_rollouts(where + " ORDER BY number DESC"));
  const std::int64_t below = before > 0 ? before : INT64_MAX;
  return filter.channel ? q_->all(query.rows(below, *filter.channel), limit) : q_->all(query.rows(below), limit);
}

RolloutCounts Rollouts::counts(std::int64_t rollout) {
  return read_rollout_counts(q_->counts.rows(rollout), rollout);
}

int Rollouts::recount() {
  const int wrong = q_->wrong.value(&Rows::small).value_or(0);
  if (wrong == 0) return 0;
  q_->empty.run();
  q_->fill.run();
  return wrong;
}

std::vector<Task> Rollouts::members(std::int64_t rollout, Bucket bucket, const std::string& reason, MembersFrom after,
                                    int limit) {
  return readable_rows(q_->members.rows(rollout, bucket, after.since, after.task, reason), "tasks", read_task, limit);
}

std::vector<Task> Rollouts::report(std::int64_t rollout, std::int64_t after, int limit) {
  return readable_rows(q_->report.rows(rollout, after), "tasks", read_task, limit);
}

std::vector<std::int64_t> Rollouts::ended_with_members() {
  std::vector<std::int64_t> found;
  auto rows = q_->ended_with_members.rows();
  while (rows.next()) found.push_back(rows.integer());
  return found;
}

std::vector<std::int64_t> Rollouts::before_gate(std::int64_t rollout, int limit) {
  std::vector<std::int64_t> found;
  auto rows = q_->before_gate.rows(rollout, limit);
  while (rows.next()) found.push_back(rows.integer());
  return found;
}

std::vector<Rollouts::Failures> Rollouts::failures(std::int64_t rollout, int limit) {
  std::vector<Failures> found;
  for_readable(q_->failures.rows(rollout, limit), "tasks, reason", [&](Rows& rows) {
    Failures failures;
    failures.reason = rows.text();
    failures.count = rows.integer();
    found.push_back(std::move(failures));
  });
  for (auto& failures : found) {
    for_readable(q_->failed_devices.rows(rollout, failures.reason, kDevicesNamed), "tasks",
                 [&](Rows& rows) { failures.devices.push_back(rows.text()); });
  }
  return found;
}

void Rollouts::add_point(std::int64_t rollout, const Point& point) {
  const auto text = text_of(point.counts);
  q_->add_point.run(rollout, point.at, text);
}

std::vector<Rollouts::Point> Rollouts::points(std::int64_t rollout, WallTime after, Millis step, int limit) {
  std::vector<Point> found;
  for_readable(q_->points.rows(rollout, after, step, limit), "rollout_points",
               [&](Rows& rows) { found.push_back(read_point(rows)); });
  return found;
}

std::optional<Rollouts::Point> Rollouts::point_before(std::int64_t rollout, WallTime at) {
  auto rows = q_->point_before.rows(rollout, at);
  return rows.next() ? std::optional{read_point(rows)} : std::nullopt;
}

void Rollouts::prune_points(WallTime ended_before, int limit) { q_->prune_points.run(ended_before, limit); }

std::int64_t Rollouts::silent_since(std::int64_t rollout, WallTime since, WallTime before, int most) {
  return q_->silent.value(&Rows::integer, rollout, since, before, most).value_or(0);
}

}  // namespace ota::storage
