// Numbers, sizes and times as people read and write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"

namespace ota::otactl {

/// `2,000`
std::string grouped(std::int64_t number);
/// `1 device`, `2,000 devices`
std::string counted(std::int64_t number, std::string_view noun);
/// `14.2 MiB`
std::string bytes_text(std::uint64_t bytes);
/// `12 s`, `3 min`, `5 h`, `2 d`
std::string span_text(std::chrono::seconds span);
/// How long ago, as span_text(); `in 5 h` for what is ahead.
std::string age_text(WallTime time, WallTime now);
/// `22:15` today, `Nov 27 22:15` else, in the reader's time zone.
std::string local_text(WallTime time, WallTime now);

/// `90`, `90s`, `5m`, `2h`, `1d`, `1h30m`: seconds. Nothing for anything else and for more than ten years.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

}  // namespace ota::otactl
