// What operators do with a rollout that is there.
#include <fmt/format.h>

#include <algorithm>

#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr int kRetriedAtOnce = 500;

Error wrong_state(const Rollout& rollout, std::string_view what) {
  return fail(Errc::wrong_state,
              fmt::format("rollout {} of {} in channel {} is {}: {} is not possible now", rollout.id.str(),
                          rollout.spec.version, rollout.spec.channel, to_string(rollout.state), what));
}

Result<void> approve(TaskService& service, Rollout& rollout, const std::string& actor) {
  const bool at_start = rollout.state == RolloutState::waiting_start;
  if (!at_start && rollout.state != RolloutState::waiting_stage) return wrong_state(rollout, "approve");
  if (actor == rollout.created_by)
    return fail(Errc::same_person, fmt::format("rollout {} was created with the key {}: another one must approve it",
                                               rollout.id.str(), actor));
  const bool later = rollout.spec.not_before && *rollout.spec.not_before > service.wall();
  rollout.approved_by = actor;
  if (!at_start) rollout.approved_stage = next_stage(rollout, rollout.total).value_or(rollout.stage + 1);
  const auto event = at_start && later ? RolloutEvent::approve_later : RolloutEvent::approve;
  return service.rollouts.change(rollout, event, Cause::operator_, {}, actor);
}

Result<void> resume(TaskService& service, Rollout& rollout, const RolloutCommand& command, const std::string& actor) {
  if (!is_halted(rollout.state) && rollout.state != RolloutState::paused) return wrong_state(rollout, "resume");
  if (command.max_failures) {
    rollout.spec.max_failures = *command.max_failures;
    rollout.budget = budget_size(rollout.spec.max_failures, rollout.total);
  }
  const auto held = brake(rollout, service.rollouts.counts(rollout.id.number), service.rollouts.firmware(rollout),
                          service.rollouts.limits(), service.now());
  if (!held.empty())
    return fail(Errc::still_halted,
                fmt::format("rollout {} would halt again at once: {}; give max_failures, or retry the devices that "
                            "failed",
                            rollout.id.str(), held));
  return service.rollouts.change(rollout, RolloutEvent::resume, Cause::operator_, {}, actor);
}

Result<void> advance(TaskService& service, Rollout& rollout, const std::string& actor) {
  if (!next_state(rollout.state, RolloutEvent::advance, Cause::operator_)) return wrong_state(rollout, "advance");
  if (rollout.open_stage()) {
    if (!rollout.stage_is_passed()) {
      rollout.passed_tl = service.now();
      rollout.spec.stages[static_cast<std::size_t>(rollout.stage)].passed_at = service.wall();
      service.events.rollout(rollout, EventType::rollout_stage_passed, {}, actor);
    }
    rollout.delay_over = true;
  }
  return service.rollouts.change(rollout, RolloutEvent::advance, Cause::operator_, {}, actor);
}

Result<void> finish(TaskService& service, Rollout& rollout, const std::string& actor) {
  if (rollout.stage < 0 && next_state(rollout.state, RolloutEvent::finish, Cause::operator_)) {
    // Its gate needs the failure budget that a stage brings.
    const auto there = service.admission.population(rollout, 0);
    open_stage(rollout, 0, there.living, there.eligible, there.total, service.now(), service.wall());
  }
  if (auto done = service.rollouts.change(rollout, RolloutEvent::finish, Cause::operator_, {}, actor); !done)
    return done;
  service.rollouts.make_target(rollout);
  return {};
}

struct Retry {
  std::int64_t rollout = 0;
  Bucket bucket = Bucket::failed;
  std::string reason;
  storage::Rollouts::MembersFrom after{};
};

/// The members in a bucket start over, some at a time. Whoever moved away, is pinned or runs something newer by now stays
/// as it is.
void retry_some(TaskService& service, Retry retry) {
  const auto* rollout = service.rollouts.find(retry.rollout);
  if (!rollout) return;
  const auto members =
      service.rows.rollouts().members(retry.rollout, retry.bucket, retry.reason, retry.after, kRetriedAtOnce);
  for (const auto& member : members) {
    retry.after = {member.bucket_since, member.id.number};
    const auto device = service.registry.find(member.device);
    if (device && service.admission.concerns(*device, *rollout))
      static_cast<void>(service.admission.admit(*device, *rollout, member.id.number));
  }
  if (members.size() == kRetriedAtOnce) service.later()([retry](TaskService& again) { retry_some(again, retry); });
}

Result<void> retry(TaskService& service, Rollout& rollout, const RolloutCommand& command, const std::string& actor) {
  if (auto done = service.rollouts.change(rollout, RolloutEvent::retry, Cause::operator_, {}, actor); !done)
    return done;
  if (command.devices.empty()) {
    for (const auto bucket : {Bucket::failed, Bucket::undelivered})
      retry_some(service, {rollout.id.number, bucket, command.reason});
    return {};
  }
  for (const auto& id : command.devices) {
    const auto member = service.rows.unit.member(rollout.id.number, id);
    const auto bucket = member ? std::optional{bucket_of(*member)} : std::nullopt;
    if (bucket != Bucket::failed && bucket != Bucket::undelivered)
      return Error{Errc::malformed,
                   fmt::format("device {} is not among those that failed in rollout {}", id, rollout.id.str()),
                   {{"devices", id + " did not fail in this rollout"}}};
    const auto device = service.registry.find(id);
    if (!device) continue;
    if (!service.admission.concerns(*device, rollout))
      return Error{Errc::malformed,
                   fmt::format("rollout {} is not for device {} any more", rollout.id.str(), id),
                   {{"devices", id + " moved, is pinned, or runs another version by now"}}};
    if (auto made = service.admission.admit(*device, rollout, member->id.number); !made) return made.error();
  }
  return {};
}

/// In place of the stages that have not opened.
Result<void> replace_stages(Rollout& rollout, const std::vector<Stage>& wanted) {
  auto& stages = rollout.spec.stages;
  const auto opened = rollout.stage < 0 ? std::size_t{0} : static_cast<std::size_t>(rollout.stage) + 1;
  stages.resize(opened);
  stages.insert(stages.end(), wanted.begin(), wanted.end());
  return check_and_complete(rollout.spec);
}

}  // namespace

std::string_view verb(RolloutEvent event) {
  switch (event) {
    case RolloutEvent::pause:
      return "pause";
    case RolloutEvent::resume:
      return "resume";
    case RolloutEvent::advance:
      return "advance";
    case RolloutEvent::finish:
      return "finish";
    case RolloutEvent::cancel:
      return "cancel";
    case RolloutEvent::approve:
      return "approve";
    case RolloutEvent::deny:
      return "deny";
    case RolloutEvent::retry:
      return "retry";
    default:
      return to_string(event);
  }
}

Result<Rollout> find_rollout(TaskService& service, const RolloutId& id) {
  auto rollout = service.rollouts.read(id.number);
  if (!rollout || rollout->id != id) return fail(Errc::not_found, fmt::format("there is no rollout {}", id.str()));
  return *rollout;
}

Result<Rollout> on_rollout_command(TaskService& service, const RolloutCommand& command, const std::string& actor) {
  auto found = find_rollout(service, command.id);
  if (!found) return found;
  auto& rollout = *found;
  Result<void> done;
  switch (command.event) {
    case RolloutEvent::approve:
      done = approve(service, rollout, actor);
      break;
    case RolloutEvent::resume:
      done = resume(service, rollout, command, actor);
      break;
    case RolloutEvent::advance:
      done = advance(service, rollout, actor);
      break;
    case RolloutEvent::finish:
      done = finish(service, rollout, actor);
      break;
    case RolloutEvent::retry:
      done = retry(service, rollout, command, actor);
      break;
    case RolloutEvent::deny:
      done = service.rollouts.change(rollout, command.event, Cause::operator_, "denied", actor);
      break;
    case RolloutEvent::cancel:
      done = service.rollouts.change(rollout, command.event, Cause::operator_, "cancelled", actor);
      break;
    default:
      done = service.rollouts.change(rollout, command.event, Cause::operator_, {}, actor);
  }
  if (!done) return done.error();
  service.rollouts.settle();
  return service.rollouts.read(command.id.number).value_or(rollout);
}

Result<Rollout> on_change_rollout(TaskService& service, const RolloutChange& change) {
  auto found = find_rollout(service, change.id);
  if (!found) return found;
  auto& rollout = *found;
  auto& spec = rollout.spec;
  if (is_ended(rollout.state)) return wrong_state(rollout, "a change");
  if (change.max_failures) {
    spec.max_failures = *change.max_failures;
    if (rollout.stage >= 0) rollout.budget = budget_size(spec.max_failures, rollout.total);
  }
  if (change.max_soaking) spec.max_soaking = *change.max_soaking;
  if (change.stage_delay_s) spec.stage_delay_s = *change.stage_delay_s;
  if (change.priority) spec.priority = *change.priority;
  if (change.expires_at) spec.expires_at = *change.expires_at;
  if (change.ignore_window) spec.ignore_window = *change.ignore_window;
  if (change.notes) spec.notes = *change.notes;
  if (change.stages) {
    if (!is_open(rollout.state)) return wrong_state(rollout, "a change of its stages");
    if (auto right = replace_stages(rollout, *change.stages); !right) return right.error();
  }
  if (auto right = check_and_complete(spec); !right) return right.error();
  if (change.expires_at && *change.expires_at && **change.expires_at <= service.wall())
    return Error{Errc::malformed, "expires_at is in the past", {{"expires_at", "is in the past"}}};
  service.rollouts.save(rollout);
  service.rollouts.settle();
  return service.rollouts.read(change.id.number).value_or(rollout);
}

}  // namespace ota::engine
