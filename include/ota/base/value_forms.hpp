// Forms that values have in settings and in requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ota {

/// `0.01%` to `100%`, with at most two digits behind the dot; in hundredths of a percent, 1 to 10,000.
std::optional<std::int64_t> parse_percentage(std::string_view text);

/// A channel's name: 1 to 64 of `a-z 0-9 _ -`.
bool is_channel_name(std::string_view text);

}  // namespace ota
