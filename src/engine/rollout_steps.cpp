// What follows from a rollout's counters and from time: its steps, one after another.
#include <fmt/format.h>

#include <algorithm>

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr int kCancelledAtOnce = 500;
constexpr int kStepsAtOnce = 100;  // a rollout has fewer stages and one end
constexpr Millis kStalledAfter = std::chrono::days{1};

}  // namespace

void Rollouts::settle() {
  for (;;) {
    for (const auto number : service_.rows.unit.take_moved()) {
      dirty_.insert(number);
      service_.history.note(number);
    }
    if (dirty_.empty()) return;
    settle(dirty_.extract(dirty_.begin()).value());
  }
}

void Rollouts::settle(std::int64_t number) {
  for (int step = 0; step < kStepsAtOnce; ++step) {
    const auto* known = find(number);
    if (!known) return;
    auto rollout = *known;
    if (!take_step(rollout)) break;
  }
  dirty_.erase(number);
  if (const auto* rollout = find(number)) {
    const auto again = service_.gate.release(*rollout);
    if (!again) return;
    const auto known = deadlines_.find(number);
    if (known == deadlines_.end() || *again < known->second) deadlines_[number] = *again;
  }
}

bool Rollouts::take_step(Rollout& rollout) {
  const auto number = rollout.id.number;
  const auto decision = decide(rollout, counts(number), firmware(rollout), limits(), service_.now(), service_.wall());
  switch (decision.step) {
    case Step::none:
      if (decision.look_again)
        deadlines_[number] = *decision.look_again;
      else
        deadlines_.erase(number);
      return false;
    case Step::start:
      return change(rollout, RolloutEvent::start, Cause::timer).has_value();
    case Step::expire:
      return change(rollout, RolloutEvent::expire, Cause::timer, "expired").has_value();
    case Step::halt:
      return change(rollout, RolloutEvent::brake, Cause::engine, std::string(decision.reason)).has_value();
    case Step::pass_stage:
      rollout.passed_tl = service_.now();
      rollout.spec.stages[static_cast<std::size_t>(rollout.stage)].passed_at = service_.wall();
      save(rollout);
      service_.events.rollout(rollout, EventType::rollout_stage_passed);
      service_.after_commit(
          [line = fmt::format("rollout={} stage {} passed", rollout.id.str(), rollout.stage + 1)] { log::info(line); });
      return true;
    case Step::open_stage:
      open_next_stage(rollout);
      return true;
    case Step::ask_approval:
      return change(rollout, RolloutEvent::ask_approval, Cause::engine).has_value();
    case Step::complete:
      complete(rollout);
      return true;
  }
  return false;
}

void Rollouts::open_next_stage(Rollout& rollout) {
  // Counted anew, so that its size follows the fleet; how many there are decides which stages are skipped.
  auto population = service_.admission.population(rollout, rollout.stage + 1);
  const auto next = next_stage(rollout, population.total);
  if (!next) return complete(rollout);
  const auto& stage = rollout.spec.stages[static_cast<std::size_t>(*next)];
  if (stage.approve && rollout.approved_stage < *next) {
    static_cast<void>(change(rollout, RolloutEvent::ask_approval, Cause::engine));
    return;
  }
  if (*next != rollout.stage + 1) population = service_.admission.population(rollout, *next);
  open_stage(rollout, *next, population.living, population.eligible, population.total, service_.now(), service_.wall());
  static_cast<void>(change(rollout, RolloutEvent::open_stage, Cause::engine));
}

void Rollouts::complete(Rollout& rollout) {
  if (!change(rollout, RolloutEvent::complete, Cause::engine)) return;
  make_target(rollout);
}

void Rollouts::make_target(const Rollout& rollout) {
  if (rollout.spec.partial()) return;
  const Target target{rollout.spec.channel, rollout.hardware, rollout.spec.version, rollout.id.number};
  service_.channels.put_target(target);
  std::vector<Rollout> before;
  for (const auto& [number, other] : rollouts_)
    if (number != rollout.id.number && other.spec.channel == target.channel && other.hardware == target.hardware)
      before.push_back(other);
  for (auto& other : before)
    static_cast<void>(change(other, RolloutEvent::supersede, Cause::engine, "superseded by " + rollout.id.str()));
}

void Rollouts::cancel_members(std::int64_t number, const std::string& reason) {
  const auto cancelled = reason == "superseded" ? CancelReason::superseded : CancelReason::rollout_cancelled;
  const auto members = service_.rows.rollouts().before_gate(number, kCancelledAtOnce);
  for (const auto member : members) {
    auto task = service_.lifecycle.load(member);
    if (!task) continue;
    const bool told = is_active(task->state) || task->offered;
    if (!service_.lifecycle.change(*task, TaskEvent::supersede, by_engine(), reason)) continue;
    if (told) service_.push(task->device, CancelAnswer{task->id, cancelled});
  }
  if (members.size() < kCancelledAtOnce) return;
  service_.later()([number, reason](TaskService& service) { service.rollouts.cancel_members(number, reason); });
}

void Rollouts::end_left_members() {
  for (const auto number : service_.rows.rollouts().ended_with_members())
    if (const auto ended = read(number))
      cancel_members(number, ended->state == RolloutState::superseded ? "superseded" : "rollout_cancelled");
}

void Rollouts::run_timers() {
  for (const auto& [number, due] : deadlines_)
    if (due <= service_.now()) dirty_.insert(number);
  for (const auto& [number, rollout] : rollouts_) {
    // Reported once a day.
    if (rollout.state != RolloutState::running || !rollout.news_tl) continue;
    if (service_.now() - *rollout.news_tl < kStalledAfter) continue;
    auto stalled = rollout;
    stalled.news_tl = service_.now();
    service_.rows.rollouts().update(stalled);
    rollouts_[number] = stalled;
    service_.events.rollout(stalled, EventType::rollout_stalled);
    service_.after_commit([line = fmt::format("rollout={} channel={} stalled: no device passed the gate or became "
                                              "healthy for a day",
                                              rollout.id.str(), rollout.spec.channel)] { log::warn(line); });
  }
  settle();
}

std::optional<Millis> Rollouts::next_timer() const {
  std::optional<Millis> next;
  for (const auto& [number, due] : deadlines_)
    if (!next || due < *next) next = due;
  return next;
}

}  // namespace ota::engine
