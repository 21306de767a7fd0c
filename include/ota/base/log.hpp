// One log line for each failure, where it is decided; a caller's fault is a warning, ours an error.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ota::log {

enum class Level { trace, debug, info, warn, error, off };
enum class Format { text, json };

/// Sets the process's one log up. `file` empty means standard error. Call it before threads start, and again
/// (with the same file) to change the level.
void configure(Level level, const std::string& file, Format format);

/// One line; control characters in `message` are escaped so that outside data can't forge lines. Thread-safe.
void write(Level level, std::string_view message);

bool enabled(Level level);

inline void debug(std::string_view message) { write(Level::debug, message); }
inline void info(std::string_view message) { write(Level::info, message); }
inline void warn(std::string_view message) { write(Level::warn, message); }
inline void error(std::string_view message) { write(Level::error, message); }

}  // namespace ota::log
