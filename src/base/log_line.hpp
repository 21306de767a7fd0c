// The format of a log line.
#pragma once

#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/base/log.hpp"

namespace ota::log {

/// Messages are cut to this many bytes.
inline constexpr std::size_t kMaxMessage = 8192;

/// `trace` … `error`, `off`: the values of `log.level`.
std::string_view level_name(Level level);

/// Text: `2026-11-22T08:30:00.123Z info  message`; JSON: `{"time", "level", "message", "device", "task"}`, the last
/// two if the message has ` device=…` or ` task=…`. It ends with its only line feed.
std::string format_line(Format format, WallTime time, Level level, std::string_view message);

}  // namespace ota::log
