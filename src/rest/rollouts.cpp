// POST /rollouts, GET /rollouts, GET and PATCH /rollouts/{id} (docs/rest.md, Rollouts).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "ota/firmware/hash.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/query.hpp"
#include "rest/rollout_json.hpp"
#include "rest/rollout_order.hpp"
#include "rest/rollout_view.hpp"

namespace ota::rest {
namespace {

constexpr CsvColumn kRolloutColumns[] = {{"rollout_id", "/rollout_id"},
                                         {"channel", "/channel"},
                                         {"hardware", "/hardware"},
                                         {"version", "/version"},
                                         {"replaces", "/replaces"},
                                         {"state", "/state"},
                                         {"reason", "/reason"},
                                         {"waiting_for", "/waiting_for/what"},
                                         {"stage", "/stage"},
                                         {"eligible", "/eligible"},
                                         {"budget", "/budget"},
                                         {"assigned", "/buckets/assigned"},
                                         {"absent", "/buckets/absent"},
                                         {"staged", "/buckets/staged"},
                                         {"soaking", "/buckets/soaking"},
                                         {"overdue", "/buckets/overdue"},
                                         {"healthy", "/buckets/healthy"},
                                         {"failed", "/buckets/failed"},
                                         {"undelivered", "/buckets/undelivered"},
                                         {"dropped", "/buckets/dropped"},
                                         {"created_by", "/created_by"},
                                         {"created_at", "/created_at"},
                                         {"started_at", "/started_at"},
                                         {"ended_at", "/ended_at"}};

storage::RolloutFilter filter_of(QueryFields& query) {
  storage::RolloutFilter filter;
  filter.channel = query.text("channel");
  const auto state = query.text("state");
  if (!state) return filter;
  filter.states = states_named(*state);
  if (filter.states.empty()) query.errors().add("state", wire::unknown_word(*state, rollout_state_names()));
  return filter;
}

/// A scoped key's rollout is for its devices only, and ends no other one. Errc::not_authorized, Errc::malformed.
Result<void> limit_to_scope(const Call& call, engine::RolloutOrder& order) {
  if (!call.scope.limited()) return {};
  if (order.supersede) return out_of_scope(call, "the rollout that \"supersede\" would end");
  auto& where = order.spec.where;
  for (const auto& text : call.scope.texts())
    if (std::ranges::find(where, text) == where.end()) where.push_back(text);
  if (where.size() <= kMaxConditions) return {};
  return field_error("where", fmt::format("has more than {} conditions with those of the key's scope", kMaxConditions));
}

Answering plan(Context& context, engine::RolloutOrder order) {
  std::function<void(engine::Done<engine::RolloutPlan>)> start = [&context, order = std::move(order)](auto done) {
    context.engine.fleet().plan_rollout(order, std::move(done));
  };
  auto plan = co_await command<engine::RolloutPlan>(std::move(start));
  if (!plan && plan.error().code == Errc::no_such_firmware) co_return co_await with_versions(context, plan.error());
  if (!plan) co_return plan.error();
  std::function<Result<std::string>(storage::ReadView&)> job = [plan = *plan](auto& view) -> Result<std::string> {
    return to_text(plan_json(view, plan));
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering create(Context& context, Call& call, engine::RolloutOrder order) {
  std::function<void(engine::Done<engine::RolloutOutcome>)> start = [&context, order = std::move(order),
                                                                     caller = call.caller()](auto done) {
    context.engine.fleet().create_rollout(order, caller, std::move(done));
  };
  auto outcome = co_await command<engine::RolloutOutcome>(std::move(start));
  if (!outcome && outcome.error().code == Errc::no_such_firmware)
    co_return co_await with_versions(context, outcome.error());
  if (!outcome) co_return outcome.error();
  co_return co_await show_rollout(context, outcome->rollout, outcome->created ? 201 : 200);
}

}  // namespace

Answering post_rollout(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"dry_run"});
  if (!query) co_return query.error();
  const bool dry_run = query->boolean("dry_run").value_or(false);
  if (auto checked = query->check(); !checked) co_return checked.error();
  if (auto json = require_json(call); !json) co_return json.error();
  auto key = idempotency_key(call.request);
  if (!key) co_return key.error();
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  auto fields = wire::JsonFields::parse(*body, Errc::malformed);
  if (!fields) co_return fields.error();
  auto order = rollout_order_of(std::move(*fields), context.engine.fleet().defaults());
  if (!order) co_return order.error();
  if (auto limited = limit_to_scope(call, *order); !limited) co_return limited.error();
  order->idempotency_key = std::move(*key);
  if (!order->idempotency_key.empty()) order->body_digest = firmware::sha256(*body);
  if (dry_run) co_return co_await plan(context, std::move(*order));
  co_return co_await create(context, call, std::move(*order));
}

Answering list_rollouts(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"channel", "state", "limit", "cursor"});
  if (!query) co_return query.error();
  auto filter = filter_of(*query);
  const auto page = number_page_of(*query, "rollouts");
  if (auto checked = query->check(); !checked) co_return checked.error();
  std::function<Result<ListPage>(storage::ReadView&)> job =
      [filter = std::move(filter), page, moment = moment_of(context)](storage::ReadView& view) -> Result<ListPage> {
    return list_page(
        view.rollouts.list(filter, page.after, page.limit + 1), page.limit, "rollouts",
        [](const Rollout& row) { return std::to_string(row.id.number); },
        [&](const Rollout& row) { return rollout_json(view, row, moment); });
  };
  co_return co_await read_list(context, call, kRolloutColumns, std::move(job));
}

Answering get_rollout(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  std::function<Result<std::string>(storage::ReadView&)> job =
      [id = *id, moment = moment_of(context), scope = call.scope](storage::ReadView& view) -> Result<std::string> {
    const auto rollout = find_rollout(view, id);
    if (!rollout) return rollout.error();
    auto json = whole_rollout_json(view, *rollout, moment);
    for (auto& failure : json["failures"])
      std::erase_if(*failure["devices"].get_ptr<Json::array_t*>(),
                    [&](const Json& device) { return !scope.has(view, device.get<std::string>()); });
    return to_text(json);
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering patch_rollout(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = rollout_id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  auto change = rollout_change_of(std::move(*fields), *id);
  if (!change) co_return change.error();
  std::function<void(engine::Done<Rollout>)> start = [&context, change = std::move(*change),
                                                      caller = call.caller()](auto done) {
    context.engine.fleet().change_rollout(change, caller, std::move(done));
  };
  auto rollout = co_await command<Rollout>(std::move(start));
  if (!rollout) co_return rollout.error();
  co_return co_await show_rollout(context, std::move(*rollout), 200);
}

}  // namespace ota::rest
