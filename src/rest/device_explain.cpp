// GET /devices/{id}/explain: why the device is or isn't updated (docs/rest.md, Devices).
#include <nlohmann/json.hpp>

#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

Json explanation_json(const engine::DeviceExplanation& told) {
  auto checks = Json::array();
  for (const auto& check : told.checks)
    checks.push_back({{"check", check.check}, {"ok", check.ok}, {"detail", or_null(check.detail)}});
  Json next;
  if (!told.next.empty()) next = {{"what", told.next}, {"at", or_null(told.next_at)}};
  return {{"device_id", told.device},
          {"runs", or_null(told.runs)},
          {"should_run", or_null(told.should_run)},
          {"by", or_null(told.by)},
          {"verdict", told.verdict},
          {"text", told.text},
          {"next", std::move(next)},
          {"checks", std::move(checks)}};
}

}  // namespace

Answering explain_device(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<void(engine::Done<engine::DeviceExplanation>)> start = [&context,
                                                                        id = call.arguments.at(0)](auto done) {
    context.engine.fleet().explain(id, std::move(done));
  };
  auto told = co_await command<engine::DeviceExplanation>(std::move(start));
  if (!told) co_return told.error();
  co_return wire::json_reply(200, to_text(explanation_json(*told)));
}

}  // namespace ota::rest
