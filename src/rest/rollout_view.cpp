#include "rest/rollout_view.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rest/rollout_json.hpp"

namespace ota::rest {

Result<RolloutId> rollout_id_of(const Call& call) {
  if (const auto id = RolloutId::parse(call.arguments.at(0))) return *id;
  return fail(Errc::not_found, "there is no such rollout: an id looks like RO_20261126_000001");
}

Result<Rollout> find_rollout(storage::ReadView& view, const RolloutId& id) {
  auto rollout = view.rollouts.find(id.number);
  if (!rollout || rollout->id != id) return fail(Errc::not_found, fmt::format("there is no rollout {}", id.str()));
  return std::move(*rollout);
}

Answering show_rollout(Context& context, Rollout rollout, unsigned status) {
  std::function<Result<std::string>(storage::ReadView&)> job =
      [rollout, moment = moment_of(context)](storage::ReadView& view) -> Result<std::string> {
    return to_text(whole_rollout_json(view, rollout, moment));
  };
  const auto text = co_await read<std::string>(context.readers, std::move(job));
  auto reply = wire::json_reply(status, text ? *text : to_text(rollout_name_json(rollout)));
  if (status == 201) add_location(context, reply, "/rollouts/" + rollout.id.str());
  co_return reply;
}

}  // namespace ota::rest
