#include "ota/domain/rollout_rules.hpp"

#include <algorithm>
#include <cmath>

namespace ota {
namespace {

constexpr std::int64_t kNoBound = INT64_MAX / 4;
constexpr double kRounding = 1e-9;
constexpr std::int64_t kHealthyTenths = 9;  // of ten: a stage is passed when so many of its devices are healthy
constexpr std::int64_t kUndelivered = 10;   // fewer are bad luck

std::optional<Millis> deadline(std::optional<WallTime> wanted, Millis now, WallTime wall) {
  if (!wanted) return {};
  return now + (*wanted - wall);
}

std::optional<Millis> earliest(std::optional<Millis> a, std::optional<Millis> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

bool mostly_healthy(const BucketCounts& counts) {
  const auto healthy = at(counts, Bucket::healthy);
  return healthy >= 1 && healthy * 10 >= members_in(counts) * kHealthyTenths;
}

bool stage_timed_out(const Rollout& rollout, const RolloutLimits& limits, Millis now) {
  return rollout.opened_tl && now - *rollout.opened_tl >= limits.stage_timeout;
}

/// An approval that a skipped stage asks for holds for the one that opens instead.
Step step_into(const Rollout& rollout, int stage) {
  for (int i = std::max(rollout.stage, rollout.approved_stage) + 1; i <= stage; ++i)
    if (rollout.spec.stages[static_cast<std::size_t>(i)].approve) return Step::ask_approval;
  return Step::open_stage;
}

/// What a running rollout does about its stages.
Decision about_stages(const Rollout& rollout, const RolloutCounts& counts, const RolloutLimits& limits, Millis now) {
  if (rollout.stage < 0) return {step_into(rollout, 0)};
  if (!rollout.stage_is_passed()) {
    const bool timed_out = stage_timed_out(rollout, limits, now);
    if ((stage_is_full(rollout, counts) || timed_out) && mostly_healthy(counts.all())) return {Step::pass_stage};
    if (timed_out || !rollout.opened_tl) return {};
    return {Step::none, {}, *rollout.opened_tl + limits.stage_timeout};
  }
  const auto next = next_stage(rollout, rollout.total);
  if (!next) return {Step::complete};
  const auto opens_at = *rollout.passed_tl + stage_delay(rollout);
  if (!rollout.delay_over && now < opens_at) return {Step::none, {}, opens_at};
  return {step_into(rollout, *next)};
}

}  // namespace

Millis stage_delay(const Rollout& rollout) {
  const auto* stage = rollout.open_stage();
  return std::chrono::seconds{stage && stage->delay_s ? *stage->delay_s : rollout.spec.stage_delay_s};
}

double failure_bound(std::int64_t bad, std::int64_t healthy) {
  const auto seen = static_cast<double>(bad + healthy);
  if (seen <= 0) return 1.0;
  const auto worse = static_cast<double>(bad) + 1.0;
  return std::min(1.0, (worse + 2.0 * std::sqrt(worse)) / seen);
}

std::int64_t room_within(const BucketCounts& counts, std::int64_t budget) {
  const auto bad = at(counts, Bucket::failed) + at(counts, Bucket::overdue);
  const auto bound = failure_bound(bad, at(counts, Bucket::healthy));
  const auto at_risk = std::floor(static_cast<double>(budget - bad) / bound + kRounding);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(at_risk) - at(counts, Bucket::soaking));
}

GateRefusal gate(const Rollout& rollout, const FirmwareFacts& firmware, const RolloutCounts& counts,
                 const std::string& from_version, ContactClass contact) {
  if (rollout.state == RolloutState::paused) return GateRefusal::paused;
  if (is_halted(rollout.state)) return GateRefusal::halted;
  if (rollout.state == RolloutState::waiting_start) return GateRefusal::approval;
  if (!gate_is_open(rollout.state)) return GateRefusal::not_running;
  if (firmware.blocked) return GateRefusal::blocked;
  const auto unproven = counts.of(Bucket::soaking) + counts.of(Bucket::overdue);
  if (rollout.spec.max_soaking && unproven >= *rollout.spec.max_soaking) return GateRefusal::max_soaking;
  if (rollout.spec.max_failures.is_all()) return GateRefusal::none;
  const bool fits = room_within(counts.all(), rollout.budget) > 0 &&
                    room_within(counts.of_version(from_version), rollout.budget) > 0 &&
                    room_within(counts.of_contact(contact), rollout.budget) > 0;
  return fits ? GateRefusal::none : GateRefusal::budget;
}

std::int64_t room(const Rollout& rollout, const RolloutCounts& counts) {
  if (!gate_is_open(rollout.state)) return 0;
  auto most = kNoBound;
  if (!rollout.spec.max_failures.is_all()) most = room_within(counts.all(), rollout.budget);
  if (rollout.spec.max_soaking)
    most = std::min(most, *rollout.spec.max_soaking - counts.of(Bucket::soaking) - counts.of(Bucket::overdue));
  return std::max<std::int64_t>(0, most);
}

bool stage_is_full(const Rollout& rollout, const RolloutCounts& counts) {
  const auto* stage = rollout.open_stage();
  return !stage || members_in(counts.all()) >= stage->size;
}

std::string_view brake(const Rollout& rollout, const RolloutCounts& counts, const FirmwareFacts& firmware,
                       const RolloutLimits& limits, Millis now) {
  if (firmware.blocked) return "blocked";
  if (firmware.damaged) return "image_damaged";
  if (rollout.spec.max_failures.is_all() || rollout.stage < 0) return {};
  const auto& all = counts.all();
  const auto failed = at(all, Bucket::failed);
  if (failed >= rollout.budget) return "budget_spent";
  if (failed >= 2 && failed * 10'000 > past_gate(all) * limits.max_failure_rate.value) return "failure_rate";
  const bool over = stage_is_full(rollout, counts) || stage_timed_out(rollout, limits, now);
  const bool staging = is_open(rollout.state);
  if (staging && !rollout.stage_is_passed() && over && members_in(all) > 0 && undecided(all) == 0 &&
      !mostly_healthy(all))
    return "stage_failed";
  const auto undelivered = at(all, Bucket::undelivered);
  if (undelivered >= kUndelivered && undelivered * 2 > members_in(all)) return "undeliverable";
  return {};
}

Decision decide(const Rollout& rollout, const RolloutCounts& counts, const FirmwareFacts& firmware,
                const RolloutLimits& limits, Millis now, WallTime wall) {
  if (is_ended(rollout.state)) return {};
  // One that completed has done its work and no longer expires.
  const bool expires = is_open(rollout.state) && rollout.spec.expires_at;
  if (expires && *rollout.spec.expires_at <= wall) return {Step::expire, "expired"};
  if (has_brakes(rollout.state))
    if (const auto reason = brake(rollout, counts, firmware, limits, now); !reason.empty()) return {Step::halt, reason};
  Decision decision;
  if (rollout.state == RolloutState::scheduled) {
    if (!rollout.spec.not_before || *rollout.spec.not_before <= wall) return {Step::start};
    decision.look_again = deadline(rollout.spec.not_before, now, wall);
  }
  if (rollout.state == RolloutState::running) decision = about_stages(rollout, counts, limits, now);
  // A brake may hold when the stage times out, also where the rollout doesn't run.
  if (decision.step == Step::none && has_brakes(rollout.state) && rollout.opened_tl && !rollout.stage_is_passed())
    if (const auto at = *rollout.opened_tl + limits.stage_timeout; at > now)
      decision.look_again = earliest(decision.look_again, at);
  if (decision.step == Step::none && expires)
    decision.look_again = earliest(decision.look_again, deadline(rollout.spec.expires_at, now, wall));
  return decision;
}

std::optional<int> next_stage(const Rollout& rollout, std::int64_t total) {
  const auto& stages = rollout.spec.stages;
  const auto* present = rollout.open_stage();
  for (int i = rollout.stage + 1; i < static_cast<int>(stages.size()); ++i) {
    const auto& stage = stages[static_cast<std::size_t>(i)];
    if (!present || stage.tags != present->tags || stage_size(stage.to, total) > present->size) return i;
  }
  return {};
}

void open_stage(Rollout& rollout, int stage, std::int64_t living, std::int64_t eligible, std::int64_t total, Millis now,
                WallTime wall) {
  for (int i = rollout.stage + 1; i < stage; ++i) rollout.spec.stages[static_cast<std::size_t>(i)].skipped = true;
  rollout.stage = stage;
  rollout.living = living;
  rollout.eligible = eligible;
  rollout.total = total;
  rollout.budget = budget_size(rollout.spec.max_failures, total);
  auto& opened = rollout.spec.stages[static_cast<std::size_t>(stage)];
  opened.size = stage_size(opened.to, total);
  opened.opened_at = wall;
  rollout.opened_tl = rollout.news_tl = now;
  rollout.passed_tl.reset();
  rollout.delay_over = false;
  rollout.walked = 0;
}

}  // namespace ota
