#include "rest/event_types.hpp"

#include <algorithm>

namespace ota::rest {

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  for (;;) {
    const auto comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

EventTypes event_types_of(const std::vector<std::string>& patterns, std::string_view field, wire::FieldErrors& errors) {
  auto types = EventTypes::none();
  std::vector<std::string_view> known{"rollout.*", "task.*", "device.*", "firmware.*", "server.*"};
  known.insert(known.end(), event_type_names().begin(), event_type_names().end());
  for (const auto& pattern : patterns)
    if (!types.add(pattern)) errors.add(field, wire::unknown_word(pattern, known));
  return types;
}

}  // namespace ota::rest
