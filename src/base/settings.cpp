#include "ota/base/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/settings_keys.hpp"
#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::string_view kHead =
    R"(# Settings of otad. Every key is here at its value; what isn't given keeps its default.
# A variable of the environment comes before this file: OTAD_MQTT_URL for url in [mqtt]. An unknown key, a wrong type or
# a value out of range stops the start and is named. `otad --check-config` tells without starting.
# (live): can be changed while otad runs, by SIGHUP (systemctl reload otad). All else needs a restart. Numbers may be in
# the range that stands behind what they do.
)";

/// No rule lets control characters in, so that a JSON string is a basic string of TOML as well.
std::string toml_text(const std::string& value) {
  std::string text;
  append_json_string(text, value);
  return text;
}

std::string toml_value(const Key& key, const Settings& settings) {
  const auto value = value_of(key, settings);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return toml_text(*text);
  std::string list;
  for (const auto& entry : std::get<std::vector<std::string>>(value))
    list += (list.empty() ? "" : ", ") + toml_text(entry);
  return "[" + list + "]";
}

}  // namespace

Environment process_environment() {
  Environment entries;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) entries.emplace_back(*at);
  return entries;
}

std::string to_toml(const Settings& settings) {
  std::string out(kHead);
  std::string_view section;
  for (const Key& key : keys()) {
    if (key.section != section) {
      section = key.section;
      out += fmt::format("\n[{}]\n", section);
    } else {
      out += '\n';
    }
    const std::string range = key.rule.max > 0 ? fmt::format(" {} to {}", key.rule.min, key.rule.max) : "";
    const char* const live = key.changes == Changes::while_running ? " (live)" : "";
    out += fmt::format("# {}{}{}\n{} = {}\n", key.description, range, live, key.name, toml_value(key, settings));
  }
  return out;
}

std::vector<SettingChange> changes_between(const Settings& running, const Settings& wanted) {
  std::vector<SettingChange> changes;
  for (const Key& key : keys())
    if (value_of(key, running) != value_of(key, wanted))
      changes.push_back(
          {key.full_name(), toml_value(key, running), toml_value(key, wanted), key.changes == Changes::while_running});
  return changes;
}

Settings with_changes(const Settings& running, const Settings& wanted) {
  Settings result = running;
  Settings from = wanted;
  for (const Key& key : keys()) {
    if (key.changes != Changes::while_running) continue;
    const FieldRef source = key.field(from);
    std::visit([&](auto* target) { *target = *std::get<decltype(target)>(source); }, key.field(result));
  }
  return result;
}

}  // namespace ota
