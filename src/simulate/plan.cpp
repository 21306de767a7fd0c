#include "ota/simulate/fleet.hpp"

#include <fmt/format.h>

#include "simulate/toml_fields.hpp"

namespace ota::simulate {
namespace {

constexpr int kYear = 366 * 24 * 3600;  // check_and_complete() refuses what is too large
constexpr std::int64_t kMostLivingDays = 3'650;

std::vector<Stage> default_stages() {
  std::vector<Stage> stages(3);
  stages[0].to = {Share::Kind::canary, 0};
  stages[1].to = {Share::Kind::percent, 100};
  stages[2].to = {Share::Kind::percent, 1'000};
  return stages;
}

Stage read_stage_table(const toml::table& table, const std::string& name, Faults& faults) {
  TomlFields fields(table, name, faults);
  Stage stage;
  stage.to = fields.share("to").value_or(stage.to);
  stage.tags = fields.text_map("tags").value_or(stage.tags);
  if (const auto delay = fields.integer("delay_s", 0, kYear)) stage.delay_s = static_cast<int>(*delay);
  stage.approve = fields.flag("approve").value_or(false);
  fields.refuse_unknown();
  if (!table.contains("to")) faults.add({{fields.full_name("to"), "is missing"}});
  return stage;
}

std::vector<Stage> read_stages(const toml::array& list, Faults& faults) {
  std::vector<Stage> stages;
  for (const auto& entry : list) {
    const auto name = fmt::format("stages[{}]", stages.size());
    if (const auto* table = entry.as_table()) {
      stages.push_back(read_stage_table(*table, name, faults));
      continue;
    }
    stages.emplace_back();
    if (const auto to = share_of(entry))
      stages.back().to = *to;
    else
      faults.add(entry.source(), name, name + " must be \"canary\", a number of devices, a percentage or a table");
  }
  return stages;
}

void read_spec(TomlFields& fields, RolloutSpec& spec, Faults& faults) {
  const auto* stages = fields.array("stages");
  spec.stages = stages ? read_stages(*stages, faults) : default_stages();
  spec.max_failures = fields.share("max_failures").value_or(spec.max_failures);
  spec.max_soaking = fields.integer("max_soaking", 1, kMostDevices);
  if (const auto soak = fields.integer("soak_s", 1, kYear)) spec.soak_s = static_cast<int>(*soak);
  if (const auto delay = fields.integer("stage_delay_s", 0, kYear)) spec.stage_delay_s = static_cast<int>(*delay);
  spec.only_from = fields.texts("only_from").value_or(spec.only_from);
  fields.refuse("where", "can't be simulated: put the devices that fit into the fleet");
  fields.refuse("expires_at", "can't be simulated: compare it with the hours to the end");
  // They decide neither who gets the version when, nor when it stops.
  fields.accept({"channel", "version", "hardware", "priority", "not_before", "ignore_window", "postpone_s", "force",
                 "supersede", "notes"});
}

void read_settings(const toml::table& table, Plan& plan, Faults& faults) {
  TomlFields fields(table, "settings", faults);
  if (const auto rate = fields.share("max_failure_rate")) plan.limits.max_failure_rate = *rate;
  if (plan.limits.max_failure_rate.kind != Share::Kind::percent)
    faults.add({{fields.full_name("max_failure_rate"), "must be a percentage"}});
  if (const auto timeout = fields.integer("stage_timeout_s", 1, kYear))
    plan.limits.stage_timeout = std::chrono::seconds{*timeout};
  if (const auto living = fields.integer("living_days", 1, kMostLivingDays)) plan.living = std::chrono::days{*living};
  fields.refuse_unknown();
}

}  // namespace

Result<Plan> read_plan(std::string_view toml, const std::string& name) {
  Faults faults(name);
  const auto table = parse_toml(toml, faults);
  if (!table) return faults.to_error();
  TomlFields fields(*table, "", faults);
  Plan plan;
  read_spec(fields, plan.spec, faults);
  if (const auto* settings = fields.table("settings")) read_settings(*settings, plan, faults);
  fields.refuse_unknown();
  if (const auto checked = check_and_complete(plan.spec); !checked) faults.add(checked.error().fields);
  if (!faults.empty()) return faults.to_error();
  return plan;
}

}  // namespace ota::simulate
