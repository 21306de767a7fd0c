#include "rest/rollout_order.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/domain/selection.hpp"
#include "ota/domain/version.hpp"
#include "rest/body_fields.hpp"
#include "rest/selection.hpp"
#include "rest/task_view.hpp"

namespace ota::rest {
namespace {

constexpr std::int64_t kMostDevices = 1'000'000'000;
constexpr int kYear = 366 * 24 * 3600;
constexpr std::size_t kMostVersions = 100;
constexpr std::size_t kMostStageTags = 16;
constexpr std::size_t kLongestTagName = 64;
constexpr std::size_t kLongestTag = 256;

std::map<std::string, std::string> tags_of(wire::JsonFields& fields) {
  std::map<std::string, std::string> tags;
  for (const auto& [name, value] : fields.text_map("tags", kMostStageTags, kLongestTagName, kLongestTag)
                                       .value_or(wire::JsonFields::TextMap{})) {
    if (!value) fields.errors().add("tags." + name, "must be a string");
    tags.emplace(name, value.value_or(""));
  }
  return tags;
}

/// `"25%"` is short for `{"to": "25%"}`.
std::optional<std::vector<Stage>> stages_of(wire::JsonFields& fields) {
  auto items = fields.objects("stages", kMaxStages, "to");
  if (!items) return std::nullopt;
  std::vector<Stage> stages;
  for (auto& item : *items) {
    auto& stage = stages.emplace_back();
    item.require("to");
    stage.to = share_of(item, "to", true).value_or(stage.to);
    stage.tags = tags_of(item);
    if (const auto delay = item.integer("delay_s", 0, kYear)) stage.delay_s = static_cast<int>(*delay);
    stage.approve = item.boolean("approve").value_or(false);
    item.refuse_unknown({"to", "tags", "delay_s", "approve"});
    fields.errors().add_nested(fmt::format("stages[{}]", stages.size() - 1), item.errors());
  }
  return stages;
}

std::vector<std::string> versions_of(wire::JsonFields& fields) {
  auto versions = fields.texts("only_from", kMostVersions, kMaxText).value_or(std::vector<std::string>{});
  for (std::size_t i = 0; i < versions.size(); ++i)
    if (!valid_version(versions[i])) fields.errors().add(fmt::format("only_from[{}]", i), "is no version");
  return versions;
}

std::vector<std::string> where_of(wire::JsonFields& fields) {
  auto texts = fields.texts("where", kMaxConditions, kMaxCondition).value_or(std::vector<std::string>{});
  conditions_of(texts, Selects::devices, fields.errors());
  return texts;
}

void read_seconds(wire::JsonFields& fields, std::string_view name, int least, int& seconds) {
  if (const auto value = fields.integer(name, least, kYear)) seconds = static_cast<int>(*value);
}

/// What an order may leave to the defaults, by leaving it out or with `null`.
void read_optional(wire::JsonFields& fields, RolloutSpec& spec) {
  if (given(fields, "hardware")) spec.hardware = hardware_of(fields);
  if (given(fields, "max_soaking")) spec.max_soaking = fields.integer("max_soaking", 1, kMostDevices);
  if (given(fields, "only_from")) spec.only_from = versions_of(fields);
  if (given(fields, "not_before")) spec.not_before = time_of(fields, "not_before");
  if (given(fields, "expires_at")) spec.expires_at = time_of(fields, "expires_at");
}

}  // namespace

Result<engine::RolloutOrder> rollout_order_of(wire::JsonFields fields, RolloutSpec defaults) {
  engine::RolloutOrder order;
  order.spec = std::move(defaults);
  auto& spec = order.spec;
  fields.require("channel");
  spec.channel = fields.text("channel", kMaxText).value_or("");
  spec.version = version_of(fields, "version");
  read_optional(fields, spec);
  if (auto stages = stages_of(fields)) spec.stages = std::move(*stages);
  spec.max_failures = share_of(fields, "max_failures").value_or(spec.max_failures);
  read_seconds(fields, "soak_s", 1, spec.soak_s);
  read_seconds(fields, "stage_delay_s", 0, spec.stage_delay_s);
  read_seconds(fields, "postpone_s", 0, spec.postpone_s);
  spec.where = where_of(fields);
  spec.priority = priority_of(fields).value_or(spec.priority);
  spec.ignore_window = fields.boolean("ignore_window").value_or(false);
  spec.force = fields.boolean("force").value_or(false);
  spec.notes = notes_of(fields).value_or("");
  order.supersede = fields.boolean("supersede").value_or(false);
  fields.refuse_unknown({"channel", "version", "hardware", "stages", "max_failures", "max_soaking", "soak_s",
                         "stage_delay_s", "only_from", "where", "priority", "not_before", "expires_at", "ignore_window",
                         "postpone_s", "force", "supersede", "notes"});
  if (auto checked = fields.check(Errc::malformed); !checked) return checked.error();
  if (auto complete = check_and_complete(spec); !complete) return complete.error();
  return order;
}

Result<engine::RolloutChange> rollout_change_of(wire::JsonFields fields, RolloutId id) {
  engine::RolloutChange change;
  change.id = id;
  change.max_failures = share_of(fields, "max_failures");
  if (fields.is_null("max_soaking"))
    change.max_soaking.emplace(std::nullopt);
  else if (const auto most = fields.integer("max_soaking", 1, kMostDevices))
    change.max_soaking.emplace(most);
  if (const auto delay = fields.integer("stage_delay_s", 0, kYear)) change.stage_delay_s = static_cast<int>(*delay);
  change.stages = stages_of(fields);
  change.priority = priority_of(fields);
  if (fields.is_null("expires_at"))
    change.expires_at.emplace(std::nullopt);
  else if (const auto time = time_of(fields, "expires_at"))
    change.expires_at.emplace(time);
  change.ignore_window = fields.boolean("ignore_window");
  change.notes = notes_of(fields);
  fields.refuse_unknown({"max_failures", "max_soaking", "stage_delay_s", "stages", "priority", "expires_at",
                         "ignore_window", "notes"});
  if (auto checked = fields.check(Errc::malformed); !checked) return checked.error();
  return change;
}

}  // namespace ota::rest
