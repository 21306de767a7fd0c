#include "rest/event_types.hpp"

namespace ota::rest {

EventTypes event_types_of(const std::vector<std::string>& patterns, std::string_view field, wire::FieldErrors& errors) {
  auto types = EventTypes::none();
  std::vector<std::string_view> known{"rollout.*", "task.*", "device.*", "firmware.*", "server.*"};
  known.insert(known.end(), event_type_names().begin(), event_type_names().end());
  for (const auto& pattern : patterns)
    if (!types.add(pattern)) errors.add(field, wire::unknown_word(pattern, known));
  return types;
}

}  // namespace ota::rest
