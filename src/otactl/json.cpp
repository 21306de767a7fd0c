#include "otactl/json.hpp"

#include "otactl/terminal.hpp"

namespace ota::otactl {

const Json& at(const Json& json, const char* pointer) {
  static const Json null;
  const auto place = Json::json_pointer(pointer);
  return json.contains(place) ? json[place] : null;
}

std::string text_at(const Json& json, const char* pointer) {
  const auto& value = at(json, pointer);
  return value.is_string() ? printable(value.get_ref<const std::string&>()) : std::string();
}

std::int64_t number_at(const Json& json, const char* pointer) {
  const auto& value = at(json, pointer);
  return value.is_number() ? value.get<std::int64_t>() : 0;
}

}  // namespace ota::otactl
