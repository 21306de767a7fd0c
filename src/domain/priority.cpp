#include "ota/domain/priority.hpp"

#include <array>

namespace ota {
namespace {
constexpr std::array<std::string_view, 4> kNames{"security", "high", "normal", "low"};
}

std::string_view to_string(Priority priority) { return kNames.at(static_cast<std::size_t>(priority)); }

std::span<const std::string_view> priority_names() { return kNames; }

std::optional<Priority> parse_priority(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (kNames[i] == text) return static_cast<Priority>(i);
  return {};
}

Priority boosted(Priority priority) {
  switch (priority) {
    case Priority::security:
    case Priority::high:
      return priority;
    case Priority::normal:
      return Priority::high;
    case Priority::low:
      return Priority::normal;
  }
  return priority;
}

}  // namespace ota
