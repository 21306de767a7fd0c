#include "base/log_line.hpp"

#include <fmt/format.h>

#include "ota/base/json_writer.hpp"
#include "ota/base/text.hpp"

namespace ota::log {
namespace {

std::string timestamp(WallTime time) {
  std::string text = to_rfc3339(time);
  text.pop_back();
  return text + fmt::format(".{:03}Z", (time - std::chrono::floor<std::chrono::seconds>(time)).count());
}

/// The text after the first `name=` at the start of a word, up to the next blank; empty if there is none.
std::string_view pair_value(std::string_view message, std::string_view name) {
  for (std::size_t at = 0; (at = message.find(name, at)) != std::string_view::npos; at += name.size()) {
    if (at > 0 && message[at - 1] != ' ') continue;
    const std::string_view rest = message.substr(at + name.size());
    return rest.substr(0, rest.find_first_of(" ,;"));
  }
  return {};
}

std::string json_line(WallTime time, Level level, std::string_view message) {
  JsonWriter line(message.size() + 128);
  line.put("time", timestamp(time));
  line.put("level", level_name(level));
  line.put("message", message);
  for (const std::string_view name : {"device", "task"}) {
    const std::string_view value = pair_value(message, fmt::format("{}=", name));
    if (!value.empty()) line.put(name, value);
  }
  return line.take() + "\n";
}

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::trace:
      return "trace";
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warn:
      return "warn";
    case Level::error:
      return "error";
    case Level::off:
      break;
  }
  return "off";
}

std::string format_line(Format format, WallTime time, Level level, std::string_view message) {
  std::string cut;
  if (message.size() > kMaxMessage) {
    cut = fmt::format("{} ... {} bytes cut", message.substr(0, kMaxMessage), message.size() - kMaxMessage);
    message = cut;
  }
  if (format == Format::json) return json_line(time, level, message);
  std::string line = fmt::format("{} {:<5} ", timestamp(time), level_name(level));
  append_printable(line, message);
  line += '\n';
  return line;
}

}  // namespace ota::log
