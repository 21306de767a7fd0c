// How a rollout comes to be: by an order, or as the way back from another.
#include <fmt/format.h>

#include "engine/commands.hpp"
#include "engine/fleet_commands.hpp"
#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr int kRollbackDelay = 600;  // s

Error wrong_field(const char* field, std::string message) {
  return Error{Errc::malformed, fmt::format("{} {}", field, message), {{field, message}}};
}

/// The firmware of an order. A rollout is for one firmware, so a version that exists for several must say which.
Result<Firmware> firmware_of(TaskService& service, const RolloutSpec& spec) {
  const auto all = service.rows.firmware.with_same_version(spec.version);
  if (all.empty())
    return fail(Errc::no_such_firmware,
                fmt::format("there is no firmware {}: POST /firmware uploads it", spec.version));
  const Firmware* chosen = nullptr;
  for (const auto& firmware : all)
    if (!spec.hardware || firmware.hardware == *spec.hardware) {
      if (chosen) return wrong_field("hardware", fmt::format("is needed: version {} exists for several", spec.version));
      chosen = &firmware;
    }
  if (!chosen)
    return fail(Errc::no_such_firmware,
                fmt::format("there is no firmware {} for hardware '{}'", spec.version, *spec.hardware));
  // What choosing checks for any order: blocked, damaged, trusted.
  return choose_firmware(service, chosen->version, chosen->hardware);
}

Result<void> check_spec(RolloutSpec& spec, WallTime now) {
  if (auto right = check_and_complete(spec); !right) return right;
  if (spec.expires_at && *spec.expires_at <= now) return wrong_field("expires_at", "is in the past");
  if (spec.where.size() > kMaxConditions)
    return wrong_field("where", fmt::format("must be at most {} conditions", kMaxConditions));
  for (std::size_t i = 0; i < spec.where.size(); ++i)
    if (auto condition = parse_condition(spec.where[i], Selects::devices); !condition)
      return wrong_field(fmt::format("where[{}]", i).c_str(), condition.error().message);
  return {};
}

struct Draft {
  Rollout rollout;
  const Rollout* open = nullptr;  ///< that is open there
};

/// What the order asks for, not yet in the database. All refusals but that of another rollout.
Result<Draft> draft(TaskService& service, const RolloutOrder& order) {
  Draft made;
  auto& rollout = made.rollout;
  rollout.spec = order.spec;
  if (auto known = check_channel(service, order.spec.channel); !known) return known.error();
  if (auto right = check_spec(rollout.spec, service.wall()); !right) return right.error();
  auto firmware = firmware_of(service, rollout.spec);
  if (!firmware) return firmware.error();
  rollout.firmware_id = firmware->id;
  rollout.hardware = firmware->hardware;
  rollout.spec.version = firmware->version;
  for (const auto& target : service.channels.targets())
    if (target.channel == order.spec.channel && target.hardware == rollout.hardware) {
      rollout.replaces = target.version;
      rollout.replaces_rollout = target.rollout;
    }
  if (!order.spec.force && newer_version(rollout.replaces, rollout.spec.version))
    return fail(Errc::downgrade, fmt::format("channel {} has the target {}, which is newer than {}; force allows it",
                                             order.spec.channel, rollout.replaces, rollout.spec.version));
  made.open = service.rollouts.open_in(order.spec.channel, rollout.hardware);
  return made;
}

Error rollout_active(const Rollout& open) {
  return fail(Errc::rollout_active,
              fmt::format("rollout {} of {} is {} for channel {}: wait for it, cancel it, or order with supersede",
                          open.id.str(), open.spec.version, to_string(open.state), open.spec.channel));
}

Rollout start(TaskService& service, Rollout rollout, const std::string& actor) {
  const auto* channel = service.channels.find(rollout.spec.channel);
  const bool later = rollout.spec.not_before && *rollout.spec.not_before > service.wall();
  const auto event = channel && channel->approval ? RolloutEvent::create_unapproved
                     : later                      ? RolloutEvent::create_later
                                                  : RolloutEvent::create;
  rollout.state = *next_state(std::nullopt, event, Cause::operator_);
  rollout.created = service.wall();
  rollout.created_by = actor;
  rollout.id.day = day_of(service.wall());
  if (rollout.state == RolloutState::running) rollout.started = service.wall();
  rollout.walk_start = static_cast<std::uint32_t>(service.random().unit() * 4294967296.0);
  service.rollouts.add(rollout);
  service.rollouts.settle();
  return service.rollouts.read(rollout.id.number).value_or(rollout);
}

Result<RolloutOutcome> create(TaskService& service, const RolloutOrder& order, const std::string& actor) {
  auto made = draft(service, order);
  if (!made) return made.error();
  if (made->open) {
    const bool same = made->open->firmware_id == made->rollout.firmware_id;
    if (same && !order.supersede) return RolloutOutcome{*made->open, false};
    if (!order.supersede) return rollout_active(*made->open);
    auto open = *made->open;
    if (auto ended = service.rollouts.change(open, RolloutEvent::supersede, Cause::engine, "superseded", actor); !ended)
      return ended.error();
  }
  return RolloutOutcome{start(service, std::move(made->rollout), actor), true};
}

}  // namespace

Result<RolloutOutcome> on_create_rollout(TaskService& service, const RolloutOrder& order, const std::string& actor) {
  if (order.idempotency_key.empty()) return create(service, order, actor);
  const auto key = rollout_key(order, actor);
  if (const auto before = service.rows.unit.answered(key)) {
    if (before->body != order.body_digest)
      return fail(Errc::key_reused, "this Idempotency-Key was used with another request: use a new one");
    auto rollout = service.rollouts.read(before->task);
    if (!rollout) return fail(Errc::not_found, "the rollout of this Idempotency-Key is gone");
    return RolloutOutcome{std::move(*rollout), before->created};
  }
  auto outcome = create(service, order, actor);
  if (outcome)
    service.rows.unit.remember(key,
                               {order.body_digest, outcome->rollout.id.number, outcome->created, {}, service.wall()});
  return outcome;
}

Result<RolloutPlan> on_plan_rollout(TaskService& service, const RolloutOrder& order) {
  auto made = draft(service, order);
  if (!made) return made.error();
  if (made->open && made->open->firmware_id != made->rollout.firmware_id && !order.supersede)
    return rollout_active(*made->open);
  RolloutPlan plan;
  plan.rollout = std::move(made->rollout);
  auto& rollout = plan.rollout;
  const auto there = service.admission.population(rollout, -1);
  rollout.living = there.living;
  rollout.eligible = there.eligible;
  rollout.total = there.total;
  rollout.budget = budget_size(rollout.spec.max_failures, there.total);
  for (auto& stage : rollout.spec.stages) stage.size = stage_size(stage.to, there.total);
  plan.pinned = there.pinned;
  plan.ahead = there.ahead;
  plan.same = there.same;
  plan.failed_before = there.failed_before;
  if (there.eligible == 0) plan.warnings.emplace_back("no device would get it at present");
  if (rollout.spec.max_failures.is_all()) plan.warnings.emplace_back("max_failures of 100% switches the brakes off");
  if (made->open)
    plan.warnings.push_back(fmt::format("rollout {} of {} ends first", made->open->id.str(), made->open->spec.version));
  return plan;
}

Result<Rollout> on_rollback(TaskService& service, const RolloutId& id, const std::optional<std::string>& version,
                            const std::string& actor) {
  auto bad = find_rollout(service, id);
  if (!bad) return bad;
  const auto back_to = version.value_or(bad->replaces);
  if (back_to.empty())
    return wrong_field("version",
                     fmt::format("is needed: channel {} had no target before rollout {}", bad->spec.channel, id.str()));
  RolloutOrder order;
  auto& spec = order.spec;
  spec.channel = bad->spec.channel;
  spec.version = back_to;
  spec.hardware = bad->hardware;
  spec.stages.resize(2);
  spec.stages.front().to = {Share::Kind::canary, 0};
  spec.max_failures = bad->spec.max_failures;
  spec.soak_s = bad->spec.soak_s;
  spec.stage_delay_s = kRollbackDelay;
  spec.only_from = {bad->spec.version};
  // Partial as well: the rest of the channel keeps its target.
  if (bad->spec.partial()) spec.where = {"version=" + bad->spec.version};
  spec.priority = Priority::high;
  spec.force = true;
  spec.ignore_window = bad->spec.ignore_window;
  spec.notes = fmt::format("rollback of {}", id.str());
  // Refused as a whole, or done as a whole.
  auto wanted = draft(service, order);
  if (!wanted) return wanted.error();
  if (wanted->open && wanted->open->id != id) return rollout_active(*wanted->open);
  if (!is_ended(bad->state))
    if (auto done = service.rollouts.change(*bad, RolloutEvent::cancel, Cause::operator_, "rolled back", actor); !done)
      return done.error();
  return start(service, std::move(wanted->rollout), actor);
}

}  // namespace ota::engine
