#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ota {

/// The smaller value goes first (docs/rest.md, Rules of the queue).
enum class Priority : std::uint8_t { security = 0, high = 1, normal = 2, low = 3 };

std::string_view to_string(Priority priority);
std::optional<Priority> parse_priority(std::string_view text);
/// In their order.
std::span<const std::string_view> priority_names();

/// The priority of a task after a long wait: one class higher, never `security`.
Priority boosted(Priority priority);

}  // namespace ota
