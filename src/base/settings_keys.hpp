// The table of all settings, used for the file, the environment, --print-config and SIGHUP.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/settings_rules.hpp"
#include "ota/base/settings.hpp"

namespace ota {

/// Points to a key's value in the settings; the pointer's type is the key's type.
using FieldRef = std::variant<std::string*, int*, std::uint64_t*, bool*, std::vector<std::string>*>;

enum class Changes { at_start, while_running };

struct Key {
  std::string_view section;  ///< empty: above all sections
  std::string_view name;
  FieldRef (*field)(Settings&);
  Rule rule;
  Changes changes = Changes::at_start;
  std::string_view description;  ///< effect of the key, for the sample file

  std::string full_name() const;    ///< `mqtt.url`
  std::string environment() const;  ///< `OTAD_MQTT_URL`
};

/// In the order of the sample file, grouped by section; those without a section come first.
std::span<const Key> keys();
/// Null where there is none.
const Key* find_key(std::string_view section, std::string_view name);
bool is_section(std::string_view name);

/// A copy of a key's value.
SettingValue value_of(const Key& key, const Settings& settings);

}  // namespace ota
