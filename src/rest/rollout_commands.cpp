// POST /rollouts/{id}/pause and the others (docs/rest.md, Rollouts).
#include "ota/domain/ids.hpp"
#include "ota/engine/fleet_control.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/rollout_view.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kMostRetried = 1'000;

/// Reads the fields that a command has.
using ReadFields = void (*)(wire::JsonFields& fields, engine::RolloutCommand& command);

void no_fields(wire::JsonFields& fields, engine::RolloutCommand&) { fields.refuse_unknown({}); }

void resume_fields(wire::JsonFields& fields, engine::RolloutCommand& command) {
  command.max_failures = share_of(fields, "max_failures");
  fields.refuse_unknown({"max_failures"});
}

void retry_fields(wire::JsonFields& fields, engine::RolloutCommand& command) {
  command.reason = fields.text("reason", kMaxText).value_or("");
  command.devices = fields.texts("devices", kMostRetried, kMaxText).value_or(std::vector<std::string>{});
  if (fields.has("devices") && command.devices.empty())
    fields.errors().add("devices", "must not be empty: leave it out for all");
  if (fields.has("devices") && fields.has("reason"))
    fields.errors().add("reason", "can't be combined with devices");
  fields.refuse_unknown({"reason", "devices"});
}

Answering run(Context& context, Call& call, RolloutEvent event, ReadFields read_fields = no_fields) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::RolloutCommand order;
  order.id = *id;
  order.event = event;
  read_fields(*fields, order);
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  std::function<void(engine::Done<Rollout>)> start = [&context, order = std::move(order),
                                                      caller = call.caller()](auto done) {
    context.engine.fleet().command(order, caller, std::move(done));
  };
  auto rollout = co_await command<Rollout>(std::move(start));
  if (!rollout) co_return rollout.error();
  co_return co_await show_rollout(context, std::move(*rollout), 200);
}

}  // namespace

Answering pause_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::pause); }
Answering resume_rollout(Context& context, Call& call) {
  return run(context, call, RolloutEvent::resume, resume_fields);
}
Answering advance_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::advance); }
Answering finish_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::finish); }
Answering cancel_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::cancel); }
Answering approve_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::approve); }
Answering deny_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::deny); }
Answering retry_rollout(Context& context, Call& call) { return run(context, call, RolloutEvent::retry, retry_fields); }

Answering rollback_rollout(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  std::optional<std::string> version;
  if (fields->has("version")) version = version_of(*fields, "version");
  fields->refuse_unknown({"version"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  std::function<void(engine::Done<Rollout>)> start = [&context, id = *id, version,
                                                      caller = call.caller()](auto done) {
    context.engine.fleet().rollback(id, version, caller, std::move(done));
  };
  auto rollout = co_await command<Rollout>(std::move(start));
  if (!rollout && rollout.error().code == Errc::no_such_firmware)
    co_return co_await with_versions(context, rollout.error());
  if (!rollout) co_return rollout.error();
  co_return co_await show_rollout(context, std::move(*rollout), 201);
}

}  // namespace ota::rest
