#include "ota/simulate/fleet.hpp"

#include <fmt/format.h>

#include "ota/domain/version.hpp"
#include "simulate/toml_fields.hpp"

namespace ota::simulate {
namespace {

constexpr std::int64_t kMonth = 30 * 24 * 3600;
constexpr std::int64_t kDay = 24 * 3600;
constexpr std::size_t kMostGroups = 100;

Millis seconds(std::int64_t n) { return std::chrono::seconds{n}; }

/// What a group may say, and the top of the file for all of them.
void read_common(TomlFields& fields, Group& group) {
  group.from_version = fields.text("from_version").value_or(group.from_version);
  if (const auto gap = fields.integer("contact_s", 1, kMonth)) group.gap = seconds(*gap);
  if (const auto download = fields.integer("download_s", 0, kDay)) group.download = seconds(*download);
  group.dead = fields.percentage("dead").value_or(group.dead);
  group.flapping = fields.percentage("flapping").value_or(group.flapping);
  group.lying = fields.percentage("lying").value_or(group.lying);
  group.fails_loud = fields.percentage("fails_loud").value_or(group.fails_loud);
  group.fails_silent = fields.percentage("fails_silent").value_or(group.fails_silent);
}

void check_group(const TomlFields& fields, const Group& group, Faults& faults) {
  if (!valid_version(group.from_version)) faults.add({{fields.full_name("from_version"), "is no version"}});
  if (group.fails_loud + group.fails_silent > 1.0)
    faults.add({{fields.full_name("fails_silent"), "and fails_loud must be at most 100% together"}});
}

Group read_group(const toml::table& table, std::size_t number, const Group& common, Faults& faults) {
  TomlFields fields(table, fmt::format("group[{}]", number), faults);
  auto group = common;
  group.name = fields.text("name").value_or(fmt::format("group {}", number + 1));
  group.devices = fields.integer("devices", 1, kMostDevices).value_or(0);
  if (!table.contains("devices")) faults.add({{fields.full_name("devices"), "is missing"}});
  group.tags = fields.text_map("tags").value_or(group.tags);
  read_common(fields, group);
  fields.refuse_unknown();
  check_group(fields, group, faults);
  return group;
}

}  // namespace

std::int64_t Fleet::devices() const {
  std::int64_t sum = 0;
  for (const auto& group : groups) sum += group.devices;
  return sum;
}

Result<Fleet> read_fleet(std::string_view toml, const std::string& name) {
  Faults faults(name);
  const auto table = parse_toml(toml, faults);
  if (!table) return faults.to_error();
  TomlFields fields(*table, "", faults);
  Group common;
  read_common(fields, common);
  Fleet fleet;
  if (const auto* groups = fields.array("group"))
    for (const auto& entry : *groups) {
      if (const auto* group = entry.as_table())
        fleet.groups.push_back(read_group(*group, fleet.groups.size(), common, faults));
      else
        faults.add(entry.source(), "group", "group must be tables: [[group]]");
    }
  fields.refuse_unknown();
  if (fleet.groups.empty() && faults.empty()) faults.add({{"group", "is missing: a fleet has at least one [[group]]"}});
  if (fleet.groups.size() > kMostGroups) faults.add({{"group", fmt::format("must be at most {} tables", kMostGroups)}});
  if (fleet.devices() > kMostDevices) faults.add({{"devices", fmt::format("must be at most {} in all", kMostDevices)}});
  if (!faults.empty()) return faults.to_error();
  return fleet;
}

}  // namespace ota::simulate
