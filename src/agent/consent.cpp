#include "agent/consent.hpp"

#include <algorithm>

#include "ota/base/text.hpp"

namespace ota::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kAnswerPatience{60};

std::string_view last_line(std::string_view text) {
  text = trim(text, " \t\r\n");
  const auto end = text.rfind('\n');
  return trim(end == std::string_view::npos ? text : text.substr(end + 1), " \t\r");
}

// A time, or a number of seconds from now on.
std::optional<WallTime> named_time(std::string_view text, WallTime now) {
  if (const auto time = parse_rfc3339(text)) return time;
  const auto after = parse_decimal<std::uint32_t>(text);
  if (!after) return std::nullopt;
  return now + seconds(*after);
}

}  // namespace

Outcome run_may_install(const Options& options, const std::string& device, const Assignment& task,
                        const std::atomic<bool>& interrupted) {
  const Command command{options.may_install,
                        {},
                        {"OTA_VERSION=" + task.version, "OTA_DEVICE=" + device, "OTA_HARDWARE=" + task.hardware},
                        kAnswerPatience,
                        false};
  return run_command(command, interrupted);
}

std::optional<WallTime> postponed_until(const Outcome& outcome, WallTime now) {
  if (outcome.succeeded()) return std::nullopt;
  const auto until = named_time(last_line(outcome.last), now).value_or(now + kPostponed);
  return std::chrono::ceil<seconds>(std::clamp<WallTime>(until, now + seconds(1), now + kMostPostponed));
}

}  // namespace ota::agent
