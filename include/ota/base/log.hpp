// The log. One line for each failure, written where it is handled: a warning for a caller's error, an error for ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota {
struct LogSettings;
}

namespace ota::log {

enum class Level { trace, debug, info, warn, error, off };
enum class Format { text, json };

/// The level of that name in the settings; nothing for another text.
std::optional<Level> parse_level(std::string_view word);

/// Configures the process's log: level, format and target. An empty `file` means standard error. May be called again
/// while other threads write, to change the level or to reopen the file after it was moved. If the file can't be
/// opened, it returns an error and changes nothing. Before the first call: standard error, info, text.
[[nodiscard]] Result<void> configure(Level level, const std::string& file, Format format);

/// The same from checked settings.
[[nodiscard]] Result<void> configure(const LogSettings& settings);

/// Writes one line, flushed from info upwards. Control characters in `message` are escaped so that external data can't
/// forge lines; a message over 8 KiB is cut. In the JSON format, the first ` device=…` and ` task=…` of the message
/// become fields as well. Thread-safe.
void write(Level level, std::string_view message);

bool enabled(Level level);

inline void debug(std::string_view message) { write(Level::debug, message); }
inline void info(std::string_view message) { write(Level::info, message); }
inline void warn(std::string_view message) { write(Level::warn, message); }
inline void error(std::string_view message) { write(Level::error, message); }

}  // namespace ota::log
