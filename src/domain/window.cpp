#include "ota/domain/window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "domain/timezone.hpp"
#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::array<std::string_view, 7> kNames{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::string_view kEveryDay = "*";

std::string clock_text(std::uint16_t minute) { return fmt::format("{:02}:{:02}", minute / 60, minute % 60); }

/// `HH:MM` from `00:00` to `24:00`.
std::optional<std::uint16_t> parse_clock(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hours = parse_decimal<std::uint16_t>(text.substr(0, 2));
  const auto minutes = parse_decimal<std::uint16_t>(text.substr(3));
  if (!hours || !minutes || *minutes > 59) return std::nullopt;
  const int minute = *hours * 60 + *minutes;
  return minute <= kMinutesOfDay ? std::optional(static_cast<std::uint16_t>(minute)) : std::nullopt;
}

/// Collects the errors of one window.
class WindowParser {
 public:
  WindowParser(std::string_view field, std::size_t index, std::vector<FieldError>& errors)
      : name_(fmt::format("{}[{}]", field, index)), errors_(errors) {}

  Window parse(const WindowFields& fields) {
    Window window;
    bool known = true;
    for (const auto& text : fields.days) {
      const auto day = parse_weekday(text);
      known &= day.has_value();
      if (day) window.days.set(static_cast<std::size_t>(*day));
    }
    if (!known) add("days", fmt::format("must be a list of {}", fmt::join(kNames, ", ")));
    const auto from = parse_clock(fields.from);
    const auto to = parse_clock(fields.to);
    if (!from || *from == kMinutesOfDay) add("from", "must be a time from 00:00 to 23:59");
    if (!to) add("to", "must be a time from 00:00 to 24:00");
    if (from && from == to) add("to", "must differ from \"from\"; a whole day is 00:00 to 24:00");
    if (fields.timezone != kDeviceTimezone && !known_timezone(fields.timezone))
      add("timezone", "must be an IANA time zone that this server knows, such as Europe/Berlin, or device");
    window.from = from.value_or(0);
    window.to = to.value_or(0);
    window.timezone = fields.timezone;
    return window;
  }

 private:
  void add(std::string_view field, std::string message) {
    errors_.push_back({fmt::format("{}.{}", name_, field), std::move(message)});
  }

  std::string name_;
  std::vector<FieldError>& errors_;
};

/// What is before the first `mark`, which leaves what is after; nothing if there is no mark.
std::optional<std::string_view> take_before(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

std::optional<std::bitset<7>> parse_days(std::string_view text) {
  std::bitset<7> days;
  if (text == kEveryDay) return days;
  for (bool more = true; more;) {
    const auto head = take_before(text, ',');
    more = head.has_value();
    const auto day = parse_weekday(head.value_or(text));
    if (!day) return std::nullopt;
    days.set(static_cast<std::size_t>(*day));
  }
  return days;
}

std::optional<Window> window_from_text(std::string_view text) {
  const auto days_text = take_before(text, ' ');
  const auto from_text = take_before(text, '-');
  const auto to_text = take_before(text, ' ');
  if (!days_text || !from_text || !to_text) return std::nullopt;
  const auto days = parse_days(*days_text);
  const auto from = parse_clock(*from_text);
  const auto to = parse_clock(*to_text);
  if (!days || !from || !to || *from == kMinutesOfDay || from == to) return std::nullopt;
  if (text != kDeviceTimezone && !wellformed_timezone(text)) return std::nullopt;
  return Window{*days, *from, *to, std::string(text)};
}

}  // namespace

std::string_view to_string(Weekday day) { return kNames.at(static_cast<std::size_t>(day)); }

std::span<const std::string_view> weekday_names() { return kNames; }

std::optional<Weekday> parse_weekday(std::string_view text) {
  const auto* const found = std::find(kNames.begin(), kNames.end(), text);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Weekday>(found - kNames.begin());
}

Result<Windows> parse_windows(std::span<const WindowFields> windows, std::string_view field) {
  Error error{Errc::malformed, "a maintenance window is invalid"};
  if (windows.size() > kMaxWindows) {
    error.fields.push_back({std::string(field), fmt::format("must have at most {} windows", kMaxWindows)});
    return error;
  }
  Windows parsed;
  for (std::size_t i = 0; i < windows.size(); ++i)
    parsed.push_back(WindowParser(field, i, error.fields).parse(windows[i]));
  if (!error.fields.empty()) return error;
  return parsed;
}

WindowFields to_fields(const Window& window) {
  WindowFields fields{{}, clock_text(window.from), clock_text(window.to), window.timezone};
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (window.days.test(i)) fields.days.emplace_back(kNames[i]);
  return fields;
}

std::string to_text(const Windows& windows) {
  std::string text;
  for (const auto& window : windows) {
    const auto fields = to_fields(window);
    const auto days = fields.days.empty() ? std::string(kEveryDay) : fmt::format("{}", fmt::join(fields.days, ","));
    text += fmt::format("{}{} {}-{} {}", text.empty() ? "" : ";", days, fields.from, fields.to, fields.timezone);
  }
  return text;
}

std::optional<Windows> windows_from_text(std::string_view text) {
  Windows windows;
  for (bool more = !text.empty(); more;) {
    const auto head = take_before(text, ';');
    more = head.has_value();
    auto window = window_from_text(head.value_or(text));
    if (!window || windows.size() == kMaxWindows) return std::nullopt;
    windows.push_back(std::move(*window));
  }
  return windows;
}

}  // namespace ota
