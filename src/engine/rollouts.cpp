#include "engine/rollouts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr Millis kNewsKept = std::chrono::minutes{10};  // a crash may forget so much

Share share_of(const std::string& text, Share otherwise) { return Share::parse(text).value_or(otherwise); }

}  // namespace

void Rollouts::resync() {
  service_.channels.resync();
  rollouts_.clear();
  open_.clear();
  deadlines_.clear();
  dirty_.clear();
  for (auto& rollout : service_.rows.rollouts().living()) {
    const auto number = rollout.id.number;
    if (is_open(rollout.state)) open_[{rollout.spec.channel, rollout.hardware}] = number;
    dirty_.insert(number);
    service_.history.note(number);
    rollouts_.emplace(number, std::move(rollout));
  }
}

void Rollouts::check_counters() {
  const int wrong = service_.rows.rollouts().recount();
  if (wrong == 0) return;
  log::error(fmt::format("{} counters of rollouts were wrong and were counted again", wrong));
  service_.rows.unit.discard();
  for (const auto& [number, rollout] : rollouts_) dirty_.insert(number);
}

void Rollouts::mark_dirty_in(const std::string& channel) {
  for (const auto& [number, rollout] : rollouts_)
    if (rollout.spec.channel == channel) dirty_.insert(number);
}

const Rollout* Rollouts::find(std::int64_t number) const {
  const auto found = rollouts_.find(number);
  return found == rollouts_.end() ? nullptr : &found->second;
}

bool Rollouts::goes_on(std::int64_t number) {
  if (find(number)) return true;
  read(number);
  return false;
}

std::optional<Rollout> Rollouts::read(std::int64_t number) {
  if (const auto* known = find(number)) return *known;
  return service_.rows.rollouts().find(number);
}

const Rollout* Rollouts::open_in(const std::string& channel, const std::string& hardware) const {
  const auto found = open_.find({channel, hardware});
  return found == open_.end() ? nullptr : find(found->second);
}

const Rollout* Rollouts::open_for(const Device& device) const {
  if (open_.empty()) return nullptr;
  if (!device.hardware.empty())
    if (const auto* own = open_in(device.channel, device.hardware)) return own;
  // What is decided for its own hardware goes before what is decided for all.
  const auto* target = service_.channels.target_for(device);
  if (target && !target->hardware.empty()) return nullptr;
  return open_in(device.channel, {});
}

const Rollout* Rollouts::any_in(const std::string& channel) const {
  for (const auto& [number, rollout] : rollouts_)
    if (rollout.spec.channel == channel) return &rollout;
  return nullptr;
}

std::vector<const Rollout*> Rollouts::of_firmware(std::int64_t firmware) const {
  std::vector<const Rollout*> found;
  for (const auto& [number, rollout] : rollouts_)
    if (rollout.firmware_id == firmware) found.push_back(&rollout);
  return found;
}

std::vector<std::int64_t> Rollouts::walking() const {
  std::vector<std::int64_t> found;
  for (const auto& [number, rollout] : rollouts_)
    if (admits(rollout.state) && rollout.open_stage() && rollout.walked < Rollout::kRing) found.push_back(number);
  return found;
}

void Rollouts::add(Rollout& rollout) {
  service_.idle_polls().clear();
  service_.rows.rollouts().insert(rollout);
  const auto number = rollout.id.number;
  rollouts_[number] = rollout;
  open_[{rollout.spec.channel, rollout.hardware}] = number;
  dirty_.insert(number);
  service_.events.rollout(rollout, EventType::rollout_created, {}, rollout.created_by);
  if (rollout.started) service_.events.rollout(rollout, EventType::rollout_started, {}, rollout.created_by);
}

void Rollouts::save(const Rollout& rollout) {
  service_.idle_polls().clear();
  const auto number = rollout.id.number;
  service_.rows.rollouts().update(rollout);
  const auto slot = open_.find({rollout.spec.channel, rollout.hardware});
  if (!is_open(rollout.state) && slot != open_.end() && slot->second == number) open_.erase(slot);
  if (is_open(rollout.state)) open_[{rollout.spec.channel, rollout.hardware}] = number;
  if (is_ended(rollout.state)) {
    rollouts_.erase(number);
    deadlines_.erase(number);
    return;
  }
  rollouts_[number] = rollout;
  dirty_.insert(number);
}

void Rollouts::set_walked(std::int64_t number, std::uint64_t walked) {
  const auto found = rollouts_.find(number);
  if (found == rollouts_.end() || found->second.walked == walked) return;
  found->second.walked = walked;
  service_.rows.rollouts().set_walked(number, walked);
}

void Rollouts::note_news(std::int64_t number) {
  const auto found = rollouts_.find(number);
  if (found == rollouts_.end()) return;
  const auto before = std::exchange(found->second.news_tl, service_.now());
  if (before && service_.now() - *before < kNewsKept) return;
  service_.rows.rollouts().update(found->second);
}

Result<void> Rollouts::change(Rollout& rollout, RolloutEvent event, Cause by, const std::string& reason,
                              const std::string& actor) {
  const auto to = next_state(rollout.state, event, by, rollout.before_halt);
  if (!to)
    return fail(Errc::wrong_state,
                fmt::format("rollout {} of {} in channel {} is {}: it can't be {} now", rollout.id.str(),
                            rollout.spec.version, rollout.spec.channel, to_string(rollout.state), to_string(event)));
  if (*to == RolloutState::halted && rollout.state != *to) rollout.before_halt = rollout.state;
  const bool starts = *to == RolloutState::running && !rollout.started;
  rollout.state = *to;
  if (starts) rollout.started = service_.wall();
  if (is_ended(*to)) rollout.ended = service_.wall();
  if (event == RolloutEvent::brake || is_ended(*to)) rollout.reason = reason;
  if (event == RolloutEvent::resume) rollout.reason.clear();
  // Whoever became present while it stood still is looked for again.
  if (event == RolloutEvent::resume || event == RolloutEvent::approve) rollout.walked = 0;
  save(rollout);
  announce(rollout, event, reason, actor);
  if (starts && event != RolloutEvent::start) service_.events.rollout(rollout, EventType::rollout_started, {}, actor);
  if (is_ended(*to))
    cancel_members(rollout.id.number, *to == RolloutState::superseded ? "superseded" : "rollout_cancelled");
  return {};
}

void Rollouts::announce(const Rollout& rollout, RolloutEvent event, const std::string& reason,
                        const std::string& actor) {
  auto line = fmt::format("rollout={} channel={} version={} {}", rollout.id.str(), rollout.spec.channel,
                          rollout.spec.version, to_string(event));
  if (event == RolloutEvent::open_stage)
    line += fmt::format(": stage {} of {}, {} devices, failure budget {}", rollout.stage + 1,
                        rollout.spec.stages.size(), rollout.open_stage()->size, rollout.budget);
  if (event == RolloutEvent::brake) {
    const auto& all = counts(rollout.id.number).all();
    line += fmt::format(": {}; {} healthy, {} failed, {} overdue, {} undelivered of {}, failure budget {}", reason,
                        at(all, Bucket::healthy), at(all, Bucket::failed), at(all, Bucket::overdue),
                        at(all, Bucket::undelivered), rollout.total, rollout.budget);
  } else if (!reason.empty()) {
    line += ": " + reason;
  }
  service_.events.rollout_changed(rollout, event, reason, actor);
  const bool alarm = event == RolloutEvent::brake;
  service_.after_commit([line, alarm] { alarm ? log::warn(line) : log::info(line); });
  if (!actor.empty()) return;  // the operator's order is in the audit log already
  AuditEntry entry;
  entry.caller = Caller("engine", "");
  entry.action = "rollout." + std::string(to_string(event));
  entry.target = rollout.id.str();
  entry.outcome = reason.empty() ? "done" : reason;
  service_.audit(std::move(entry));
}

const RolloutCounts& Rollouts::counts(std::int64_t number) { return service_.rows.unit.counts(number); }

FirmwareFacts Rollouts::firmware(const Rollout& rollout) {
  // Where its row can't be read nobody is offered it (TrustGate).
  const auto firmware = storage::if_readable([&] { return service_.rows.firmware.find(rollout.firmware_id); });
  return firmware ? FirmwareFacts{firmware->blocked.has_value(), firmware->damaged} : FirmwareFacts{};
}

RolloutLimits Rollouts::limits() const {
  const auto& settings = service_.options().rollouts;
  RolloutLimits limits;
  limits.max_failure_rate = share_of(settings.max_failure_rate, limits.max_failure_rate);
  limits.stage_timeout = std::chrono::seconds{settings.stage_timeout_s};
  return limits;
}

}  // namespace ota::engine
