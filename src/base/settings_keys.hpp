// The one table of all settings. Reading files and the environment, printing and SIGHUP all go by it.
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

/// Where a key's value lies in the settings; what it points to is the key's type.
using FieldRef = std::variant<std::string*, int*, std::uint64_t*, bool*, std::vector<std::string>*>;

enum class Changes { at_start, while_running };

struct Key {
  std::string_view section;  ///< empty: above all sections
  std::string_view name;
  FieldRef (*field)(Settings&);
  Rule rule;
  Changes changes = Changes::at_start;
  std::string_view description;  ///< what it does and what follows from it, for the sample file

  std::string full_name() const;    ///< `mqtt.url`
  std::string environment() const;  ///< `OTAD_MQTT_URL`
};

/// In the order of the sample file; the keys of a section stand together, those without a section first.
std::span<const Key> keys();

/// A copy of a key's value.
using Value = std::variant<std::string, std::int64_t, bool, std::vector<std::string>>;
Value value_of(const Key& key, const Settings& settings);

}  // namespace ota
