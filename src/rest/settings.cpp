// GET /settings: what the daemon runs with (docs/rest.md, Settings).
#include <nlohmann/json.hpp>

#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

const char* name_of(SettingSource source) {
  switch (source) {
    case SettingSource::default_: return "default";
    case SettingSource::file: return "file";
    case SettingSource::environment: return "environment";
  }
  return "?";
}

Json value_json(const SettingValue& value) {
  return std::visit([](const auto& one) { return Json(one); }, value);
}

/// The name of a file with a secret stays out: who reads it learns where to look.
Json setting_json(const SettingView& view) {
  const bool changed = view.wanted != view.value;
  return {{"key", view.key},
          {"value", view.secret ? Json(nullptr) : value_json(view.value)},
          {"default", value_json(view.by_default)},
          {"source", name_of(view.origin.source)},
          {"place", or_null(view.origin.place)},
          {"hidden", view.secret},
          {"live", view.live},
          {"needs_restart", changed},
          {"after_restart", changed && !view.secret ? value_json(view.wanted) : Json(nullptr)},
          {"description", view.description}};
}

}  // namespace

Answering list_settings(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto settings = context.probes.settings();
  std::vector<Json> items;
  for (const auto& view : *settings) items.push_back(setting_json(view));
  co_return wire::json_reply(200, to_text(list_json(std::move(items), std::nullopt)));
}

}  // namespace ota::rest
