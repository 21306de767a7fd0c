// One log line for each failure, where it is decided; a caller's fault is a warning, ours an error.
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

/// The level of that name in the settings; nothing for another word.
std::optional<Level> parse_level(std::string_view word);

/// Sets the process's one log up: level, format, and where it goes. `file` empty means standard error. May be called
/// again while other threads write, to change the level or, after the file was moved away, to open it anew. A file
/// that can't be opened is an error, and the log stays as it was. Until the first call: standard error, info, text.
[[nodiscard]] Result<void> configure(Level level, const std::string& file, Format format);

/// The same from checked settings.
[[nodiscard]] Result<void> configure(const LogSettings& settings);

/// One line, flushed from info upwards. Control characters in `message` are escaped so that outside data can't forge
/// lines, and what is longer than 8 KiB is cut. In the JSON format, the first ` device=…` and ` task=…` of the message
/// become fields as well. Thread-safe.
void write(Level level, std::string_view message);

bool enabled(Level level);

inline void debug(std::string_view message) { write(Level::debug, message); }
inline void info(std::string_view message) { write(Level::info, message); }
inline void warn(std::string_view message) { write(Level::warn, message); }
inline void error(std::string_view message) { write(Level::error, message); }

}  // namespace ota::log
