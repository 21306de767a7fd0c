#include "rest/rollout_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "ota/domain/rollout_rules.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

constexpr int kFailureReasonsShown = 20;
constexpr int kOpenShown = 200;
constexpr int kMostSilent = 10'000;
constexpr auto kRateOver = std::chrono::hours{1};
constexpr auto kSilentAfter = std::chrono::days{1};
constexpr auto kPointDelay = std::chrono::minutes{1};  ///< the history has a change that much later at most

Json or_null(const std::vector<std::string>& texts) { return texts.empty() ? Json(nullptr) : Json(texts); }
using rest::or_null;

Json share_json(const Share& share) {
  return share.kind == Share::Kind::count ? Json(share.value) : Json(to_string(share));
}

/// What it was ordered with, but for its stages.
void add_spec(Json& json, const RolloutSpec& spec) {
  json["max_failures"] = share_json(spec.max_failures);
  json["max_soaking"] = or_null(spec.max_soaking);
  json["soak_s"] = spec.soak_s;
  json["stage_delay_s"] = spec.stage_delay_s;
  json["only_from"] = or_null(spec.only_from);
  json["where"] = spec.where;
  json["priority"] = to_string(spec.priority);
  json["not_before"] = or_null(spec.not_before);
  json["expires_at"] = or_null(spec.expires_at);
  json["ignore_window"] = spec.ignore_window;
  json["postpone_s"] = spec.postpone_s;
  json["force"] = spec.force;
  json["notes"] = spec.notes;
}

/// What a stage had when it was passed, from the history; the numbers of now for the present one.
BucketCounts counts_of_stage(storage::ReadView& view, const Rollout& rollout, int index, const BucketCounts& now) {
  const auto& stage = rollout.spec.stages[static_cast<std::size_t>(index)];
  if (index == rollout.stage || !stage.passed_at) return now;
  const auto point = view.rollouts.point_before(rollout.id.number, *stage.passed_at + kPointDelay);
  return point ? point->counts : now;
}

Json stage_json(storage::ReadView& view, const Rollout& rollout, int index, const BucketCounts& now) {
  const auto& stage = rollout.spec.stages[static_cast<std::size_t>(index)];
  const auto size = stage.opened_at ? stage.size : rollout.total > 0 ? stage_size(stage.to, rollout.total) : 0;
  Json json = {{"to", size > 0 ? Json(size) : Json(nullptr)}, {"size", share_json(stage.to)}};
  if (!stage.tags.empty()) json["tags"] = stage.tags;
  if (stage.delay_s) json["delay_s"] = *stage.delay_s;
  if (stage.approve) json["approve"] = true;
  if (stage.skipped) json["skipped"] = true;
  if (!stage.opened_at) return json;
  const auto counts = counts_of_stage(view, rollout, index, now);
  json["in"] = std::min(members_in(counts), size);
  json["healthy"] = std::min(at(counts, Bucket::healthy), size);
  json["failed"] = std::min(at(counts, Bucket::failed), size);
  json["opened_at"] = to_rfc3339(*stage.opened_at);
  json["passed_at"] = or_null(stage.passed_at);
  return json;
}

/// The window of its channel. Where it is each device's own, only the devices know when it opens.
Surroundings surroundings(storage::ReadView& view, const Rollout& rollout, const Moment& moment) {
  Surroundings around;
  around.slots_full = moment.slots_full;
  const auto channel = rollout.spec.ignore_window ? std::nullopt : view.fleet.channel(rollout.spec.channel);
  if (!channel) return around;
  const auto state = window_state(channel->windows, {}, moment.now);
  around.window_closed = !state.open;
  const auto is_own = [](const Window& window) { return window.timezone == kDeviceTimezone; };
  if (std::none_of(channel->windows.begin(), channel->windows.end(), is_own)) around.window_opens = state.next;
  return around;
}

Json waiting_json(storage::ReadView& view, const Rollout& rollout, const RolloutCounts& counts, const Moment& moment) {
  // The stage's delay counts from when it was passed; here that is known by the wall clock only.
  const auto* stage = rollout.open_stage();
  const auto passed_at = stage && stage->passed_at ? *stage->passed_at : moment.now;
  const auto waiting = waiting_for(rollout, counts, surroundings(view, rollout, moment),
                                   rollout.passed_tl.value_or(Millis{0}), passed_at);
  return {{"what", or_null(std::string(to_string(waiting.what)))},
          {"until", or_null(waiting.until)},
          {"text", or_null(waiting.text)}};
}

Json from_json(const RolloutCounts& counts) {
  auto list = Json::array();
  for (const auto& [version, of] : counts.by_version()) {
    if (members_in(of) == 0) continue;
    list.push_back({{"version", or_null(version)},
                    {"in", members_in(of)},
                    {"healthy", at(of, Bucket::healthy)},
                    {"failed", at(of, Bucket::failed)}});
  }
  return list;
}

Json failures_json(storage::ReadView& view, const Rollout& rollout) {
  auto list = Json::array();
  for (const auto& failures : view.rollouts.failures(rollout.id.number, kFailureReasonsShown))
    list.push_back({{"reason", failures.reason}, {"count", failures.count}, {"devices", failures.devices}});
  return list;
}

/// Devices that became healthy in an hour, by the last one.
double rate_per_h(storage::ReadView& view, const Rollout& rollout, std::int64_t healthy, WallTime now) {
  if (!rollout.started || *rollout.started >= now) return 0;
  const auto begin = std::max(*rollout.started, now - kRateOver);
  const auto before = view.rollouts.point_before(rollout.id.number, begin);
  const auto gained = healthy - (before ? at(before->counts, Bucket::healthy) : 0);
  const double hours = std::chrono::duration<double, std::ratio<3600>>(now - begin).count();
  return gained > 0 ? static_cast<double>(gained) / hours : 0;
}

/// The delays of the stages that are not passed, but for the last; nothing where a person stands before the end.
std::optional<Millis> delays_ahead(const Rollout& rollout) {
  Millis sum{0};
  const auto& stages = rollout.spec.stages;
  for (auto i = static_cast<std::size_t>(std::max(0, rollout.stage)); i < stages.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (index > rollout.stage && index > rollout.approved_stage && stages[i].approve) return std::nullopt;
    if (i + 1 < stages.size()) sum += std::chrono::seconds{stages[i].delay_s.value_or(rollout.spec.stage_delay_s)};
  }
  return sum;
}

std::optional<WallTime> eta(const Rollout& rollout, const BucketCounts& counts, double rate, WallTime now) {
  if (rollout.state != RolloutState::running || rate <= 0) return std::nullopt;
  const auto delays = delays_ahead(rollout);
  if (!delays) return std::nullopt;
  const auto left = std::max<std::int64_t>(0, rollout.total - at(counts, Bucket::healthy) - at(counts, Bucket::failed));
  const auto hours = static_cast<double>(left) / rate;
  constexpr double kLongest = 24.0 * 3660;  // more says nothing
  if (hours > kLongest) return std::nullopt;
  return now + *delays + std::chrono::duration_cast<Millis>(std::chrono::duration<double, std::ratio<3600>>(hours));
}

}  // namespace

Json windows_json(const Windows& windows) {
  if (windows.empty()) return nullptr;
  auto list = Json::array();
  for (const auto& window : windows) {
    const auto fields = to_fields(window);
    list.push_back({{"days", fields.days}, {"from", fields.from}, {"to", fields.to}, {"timezone", fields.timezone}});
  }
  return list;
}

Json counts_json(const BucketCounts& counts) {
  Json json;
  for (std::size_t i = 0; i < counts.size(); ++i) json[std::string(to_string(static_cast<Bucket>(i)))] = counts[i];
  return json;
}

Json rollout_name_json(const Rollout& rollout) {
  return {{"rollout_id", rollout.id.str()},
          {"channel", rollout.spec.channel},
          {"hardware", or_null(rollout.hardware)},
          {"version", rollout.spec.version},
          {"state", to_string(rollout.state)}};
}

Moment moment_of(const Context& context) {
  const auto stats = context.engine.stats();
  return {context.clock.wall(), stats.slots > 0 && stats.slots_held >= stats.slots};
}

Json rollout_json(storage::ReadView& view, const Rollout& rollout, const Moment& moment) {
  const auto counts = view.rollouts.counts(rollout.id.number);
  auto json = rollout_name_json(rollout);
  json["reason"] = or_null(rollout.reason);
  json["replaces"] = or_null(rollout.replaces);
  json["waiting_for"] = waiting_json(view, rollout, counts, moment);
  json["stage"] = rollout.stage + 1;
  auto& stages = json["stages"] = Json::array();
  for (int i = 0; i < static_cast<int>(rollout.spec.stages.size()); ++i)
    stages.push_back(stage_json(view, rollout, i, counts.all()));
  json["living"] = rollout.living;
  json["eligible"] = rollout.eligible;
  json["total"] = rollout.total;
  json["budget"] = rollout.budget;
  // Without brakes there is no bound.
  const auto free = room(rollout, counts);
  json["room"] = free > rollout.total && rollout.spec.max_failures.is_all() ? Json(nullptr) : Json(free);
  json["buckets"] = counts_json(counts.all());
  add_spec(json, rollout.spec);
  json["created_by"] = rollout.created_by;
  json["approved_by"] = or_null(rollout.approved_by);
  json["created_at"] = to_rfc3339(rollout.created);
  json["started_at"] = or_null(rollout.started);
  json["ended_at"] = or_null(rollout.ended);
  return json;
}

Json whole_rollout_json(storage::ReadView& view, const Rollout& rollout, const Moment& moment) {
  auto json = rollout_json(view, rollout, moment);
  const auto counts = view.rollouts.counts(rollout.id.number);
  json["from"] = from_json(counts);
  json["failures"] = failures_json(view, rollout);
  json["silent_since"] = view.rollouts.silent_since(rollout.id.number, rollout.created, moment.now - kSilentAfter,
                                                    kMostSilent);
  const auto rate = rate_per_h(view, rollout, counts.of(Bucket::healthy), moment.now);
  json["rate_per_h"] = std::round(rate * 10) / 10;
  json["eta"] = or_null(eta(rollout, counts.all(), rate, moment.now));
  return json;
}

Json open_rollouts_json(storage::ReadView& view, const Moment& moment) {
  auto list = Json::array();
  for (const auto& rollout : view.rollouts.list({{}, open_states()}, 0, kOpenShown)) {
    const auto counts = view.rollouts.counts(rollout.id.number);
    auto json = rollout_name_json(rollout);
    json["reason"] = or_null(rollout.reason);
    json["waiting_for"] = waiting_json(view, rollout, counts, moment);
    json["buckets"] = counts_json(counts.all());
    list.push_back(std::move(json));
  }
  return list;
}

Json plan_json(storage::ReadView& view, const engine::RolloutPlan& plan) {
  const auto& rollout = plan.rollout;
  auto stages = Json::array();
  for (const auto& stage : rollout.spec.stages) stages.push_back({{"to", stage.size}, {"size", share_json(stage.to)}});
  Json replaces;
  if (!rollout.replaces.empty()) {
    const auto before = view.rollouts.find(rollout.replaces_rollout);
    replaces = {{"version", rollout.replaces}, {"rollout_id", before ? Json(before->id.str()) : Json(nullptr)}};
  }
  Json left_out = {
      {"pinned", plan.pinned}, {"ahead", plan.ahead}, {"same", plan.same}, {"failed_before", plan.failed_before}};
  const auto channel = view.fleet.channel(rollout.spec.channel);
  return {{"channel", rollout.spec.channel},
          {"hardware", or_null(rollout.hardware)},
          {"version", rollout.spec.version},
          {"living", rollout.living},
          {"eligible", rollout.eligible},
          {"left_out", std::move(left_out)},
          {"stages", std::move(stages)},
          {"budget", rollout.budget},
          {"replaces", std::move(replaces)},
          {"windows", channel ? windows_json(channel->windows) : Json(nullptr)},
          {"warnings", plan.warnings}};
}

std::vector<RolloutState> states_named(std::string_view name) {
  std::vector<RolloutState> found;
  for (std::size_t i = 0; i < kRolloutStates; ++i)
    if (const auto state = static_cast<RolloutState>(i); to_string(state) == name) found.push_back(state);
  return found;
}

std::vector<RolloutState> open_states() {
  std::vector<RolloutState> found;
  for (std::size_t i = 0; i < kRolloutStates; ++i)
    if (const auto state = static_cast<RolloutState>(i); is_open(state) || is_halted(state)) found.push_back(state);
  return found;
}

}  // namespace ota::rest
