#include "storage/rollout_row.hpp"

#include <fmt/format.h>

#include <string_view>

namespace ota::storage {
namespace {

constexpr char kEnd = '\x1f';  // of each text of a list; what operators give holds no control characters

// In the order of read_rollout() and of the parameters of RolloutWriter::insert().
constexpr const char* kColumns =
    "number, day, channel, hardware, firmware, version, replaces, replaces_rollout, state, before_halt, reason, "
    "created_by, approved_by, created, started, ended, max_failures, max_soaking, soak_s, stage_delay_s, only_from, "
    "conditions, priority, not_before, expires_at, ignore_window, postpone_s, force, notes, stage, living, eligible, "
    "total, budget, opened_tl, passed_tl, delay_over, approved_stage, news_tl, walk_start, walked";

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) (all += text) += kEnd;
  return all;
}

std::vector<std::string> split(std::string_view all) {
  std::vector<std::string> texts;
  for (auto end = all.find(kEnd); end != std::string_view::npos; end = all.find(kEnd)) {
    texts.emplace_back(all.substr(0, end));
    all.remove_prefix(end + 1);
  }
  return texts;
}

Share read_share(Rows& r) {
  const auto share = Share::parse(r.text());
  if (!share) throw BadValue("a share can't be read");
  return *share;
}

Stage read_stage(Rows& r) {
  Stage stage;
  stage.to = read_share(r);
  const auto tags = split(r.text());
  for (std::size_t i = 0; i + 1 < tags.size(); i += 2) stage.tags[tags[i]] = tags[i + 1];
  if (const auto delay = r.maybe(&Rows::small)) stage.delay_s = *delay;
  stage.approve = r.flag();
  stage.size = r.integer();
  stage.opened_at = r.maybe(&Rows::time);
  stage.passed_at = r.maybe(&Rows::time);
  stage.skipped = r.flag();
  return stage;
}

}  // namespace

std::string select_rollouts(const std::string& rest) {
  return fmt::format("SELECT {} FROM rollouts {}", kColumns, rest);
}

Rollout read_rollout(Rows& r) {
  Rollout o;
  auto& s = o.spec;
  o.id.number = r.integer();
  o.id.day = r.small();
  s.channel = r.text();
  o.hardware = r.text();
  o.firmware_id = r.integer();
  s.version = r.text();
  o.replaces = r.text();
  o.replaces_rollout = r.integer();
  o.state = r.word<RolloutState>();
  o.before_halt = r.word<RolloutState>();
  o.reason = r.text();
  o.created_by = r.text();
  o.approved_by = r.text();
  o.created = r.time();
  o.started = r.maybe(&Rows::time);
  o.ended = r.maybe(&Rows::time);
  s.max_failures = read_share(r);
  s.max_soaking = r.maybe(&Rows::integer);
  s.soak_s = r.small();
  s.stage_delay_s = r.small();
  s.only_from = split(r.text());
  s.where = split(r.text());
  s.priority = r.word<Priority>();
  s.not_before = r.maybe(&Rows::time);
  s.expires_at = r.maybe(&Rows::time);
  s.ignore_window = r.flag();
  s.postpone_s = r.small();
  s.force = r.flag();
  s.notes = r.text();
  o.stage = r.small();
  if (o.stage < -1) throw BadValue(fmt::format("stage is out of range: {}", o.stage));
  o.living = r.integer();
  o.eligible = r.integer();
  o.total = r.integer();
  o.budget = r.integer();
  o.opened_tl = r.maybe(&Rows::millis);
  o.passed_tl = r.maybe(&Rows::millis);
  o.delay_over = r.flag();
  o.approved_stage = r.small();
  o.news_tl = r.maybe(&Rows::millis);
  o.walk_start = r.unsigned32();
  o.walked = static_cast<std::uint64_t>(r.number(static_cast<std::int64_t>(Rollout::kRing)));
  s.hardware = o.hardware;
  return o;
}

RolloutWriter::RolloutWriter(SQLite::Database& db)
    : db_(db),
      insert_(db, fmt::format("INSERT INTO rollouts ({}) VALUES ({})", kColumns, marks(kColumns))),
      update_(db,
              "UPDATE rollouts SET state=?2, before_halt=?3, reason=?4, approved_by=?5, started=?6, ended=?7, "
              "max_failures=?8, max_soaking=?9, stage_delay_s=?10, priority=?11, expires_at=?12, ignore_window=?13, "
              "notes=?14, stage=?15, living=?16, eligible=?17, total=?18, budget=?19, opened_tl=?20, passed_tl=?21, "
              "delay_over=?22, approved_stage=?23, news_tl=?24, walked=?25, replaces=?26, replaces_rollout=?27 "
              "WHERE number=?1"),
      save_stage_(db,
                  "INSERT OR REPLACE INTO rollout_stages (rollout, stage, size_as, tags, delay_s, approve, size, "
                  "opened, passed, skipped) VALUES (?,?,?,?,?,?,?,?,?,?)"),
      remove_stages_(db, "DELETE FROM rollout_stages WHERE rollout=? AND stage>=?"),
      stages_(db,
              "SELECT size_as, tags, delay_s, approve, size, opened, passed, skipped FROM rollout_stages WHERE "
              "rollout=? ORDER BY stage") {}

void RolloutWriter::insert(Rollout& o) {
  const auto& s = o.spec;
  insert_.run(std::optional<std::int64_t>{}, o.id.day, s.channel, o.hardware, o.firmware_id, s.version, o.replaces, o.replaces_rollout, o.state,
              o.before_halt, o.reason, o.created_by, o.approved_by, o.created, o.started, o.ended,
              to_string(s.max_failures), s.max_soaking, s.soak_s, s.stage_delay_s, joined(s.only_from), joined(s.where),
              s.priority, s.not_before, s.expires_at, s.ignore_window, s.postpone_s, s.force, s.notes, o.stage,
              o.living, o.eligible, o.total, o.budget, o.opened_tl, o.passed_tl, o.delay_over, o.approved_stage,
              o.news_tl, o.walk_start, o.walked);
  o.id.number = db_.getLastInsertRowid();
  save_stages(o);
}

void RolloutWriter::update(const Rollout& o) {
  const auto& s = o.spec;
  update_.run(o.id.number, o.state, o.before_halt, o.reason, o.approved_by, o.started, o.ended,
              to_string(s.max_failures), s.max_soaking, s.stage_delay_s, s.priority, s.expires_at, s.ignore_window,
              s.notes, o.stage, o.living, o.eligible, o.total, o.budget, o.opened_tl, o.passed_tl, o.delay_over,
              o.approved_stage, o.news_tl, o.walked, o.replaces, o.replaces_rollout);
  save_stages(o);
}

void RolloutWriter::save_stages(const Rollout& o) {
  int at = 0;
  for (const auto& stage : o.spec.stages) {
    std::vector<std::string> tags;
    for (const auto& [name, value] : stage.tags) {
      tags.push_back(name);
      tags.push_back(value);
    }
    save_stage_.run(o.id.number, at, to_string(stage.to), joined(tags), stage.delay_s, stage.approve, stage.size,
                    stage.opened_at, stage.passed_at, stage.skipped);
    ++at;
  }
  remove_stages_.run(o.id.number, at);
}

void RolloutWriter::read_stages(Rollout& o) const {
  auto rows = stages_.rows(o.id.number);
  while (rows.next()) o.spec.stages.push_back(read_row(rows, "rollout_stages", read_stage));
  if (o.stage < static_cast<int>(o.spec.stages.size())) return;
  const BadRow row("rollouts", std::to_string(o.id.number), fmt::format("stage is out of range: {}", o.stage));
  bad_rows().note(row);
  throw row;
}

}  // namespace ota::storage
