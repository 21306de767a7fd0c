#include "ota/base/settings.hpp"

#include <fmt/format.h>
#include <unistd.h>


#include "base/settings_keys.hpp"
#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::string_view kHead =
    R"(# Settings of otad. Every key is listed with its value. A key that is left out has its default.
# Environment variables override this file: OTAD_MQTT_URL sets url in [mqtt]. An unknown key, a wrong type or a value
# out of range is an error, and otad doesn't start. `otad --check-config` checks the settings without starting.
# A key marked (live) takes effect on SIGHUP (systemctl reload otad); all others need a restart. Ranges of numbers stand
# at the end of the description.
)";

/// Precondition: `value` has no control characters (no rule permits them), so a JSON string is a TOML basic string.
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

/// `text` as comment lines of at most 120 characters, each with its line end.
std::string comment(std::string_view text) {
  constexpr std::size_t kWidth = 118;
  std::string out;
  while (text.size() > kWidth) {
    const auto blank = text.rfind(' ', kWidth);
    if (blank == std::string_view::npos) break;
    out += fmt::format("# {}\n", text.substr(0, blank));
    text.remove_prefix(blank + 1);
  }
  return out + fmt::format("# {}\n", text);
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
    out += comment(fmt::format("{}{}{}", key.description, range, live));
    out += fmt::format("{} = {}\n", key.name, toml_value(key, settings));
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

std::vector<SettingView> settings_in_force(const Settings& running, const Settings& wanted) {
  const Settings defaults;
  std::vector<SettingView> views;
  for (const Key& key : keys()) {
    SettingView view;
    view.key = key.full_name();
    view.value = value_of(key, running);
    view.by_default = value_of(key, defaults);
    view.wanted = value_of(key, wanted);
    if (const auto at = running.origins.find(view.key); at != running.origins.end()) view.origin = at->second;
    view.live = key.changes == Changes::while_running;
    view.secret = key.rule.secret;
    view.description = key.description;
    views.push_back(std::move(view));
  }
  return views;
}

Settings with_changes(const Settings& running, const Settings& wanted) {
  Settings result = running;
  Settings from = wanted;
  for (const Key& key : keys()) {
    if (key.changes == Changes::at_start && value_of(key, running) != value_of(key, wanted)) continue;
    const FieldRef source = key.field(from);
    std::visit([&](auto* target) { *target = *std::get<decltype(target)>(source); }, key.field(result));
    // Also where the value is the same: the line may be another.
    const auto name = key.full_name();
    if (const auto at = wanted.origins.find(name); at != wanted.origins.end())
      result.origins[name] = at->second;
    else
      result.origins.erase(name);
  }
  return result;
}

}  // namespace ota
