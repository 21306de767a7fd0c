#include "ota/base/clock.hpp"

#include <fmt/format.h>

namespace ota {

WallTime SystemClock::wall() const { return std::chrono::floor<Millis>(std::chrono::system_clock::now()); }

Millis SystemClock::steady() const {
  return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch());
}

std::string to_rfc3339(WallTime time) {
  // Not by time_t, which ends in 2038 on 32-bit systems.
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

namespace {

/// Reads `count` digits at `at` and advances it; -1 if they aren't digits.
int digits(std::string_view text, std::size_t& at, std::size_t count) {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char c = text[at++];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool take(std::string_view text, std::size_t& at, std::string_view any_of) {
  if (at >= text.size() || any_of.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  std::size_t at = 0;
  const int y = digits(text, at, 4);
  if (y < 0 || !take(text, at, "-")) return {};
  const int mo = digits(text, at, 2);
  if (mo < 0 || !take(text, at, "-")) return {};
  const int d = digits(text, at, 2);
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)}, day{static_cast<unsigned>(d < 0 ? 0 : d)}};
  if (!date.ok() || !take(text, at, "Tt ")) return {};
  const int h = digits(text, at, 2);
  if (h < 0 || h > 23 || !take(text, at, ":")) return {};
  const int mi = digits(text, at, 2);
  if (mi < 0 || mi > 59 || !take(text, at, ":")) return {};
  const int s = digits(text, at, 2);
  if (s < 0 || s > 60) return {};
  Millis fraction{0};
  if (take(text, at, ".")) {
    int scale = 100;
    std::size_t seen = 0;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++seen, scale /= 10)
      fraction += Millis{(text[at] - '0') * scale};
    if (seen == 0) return {};
  }
  minutes offset{0};
  if (!take(text, at, "Zz")) {
    if (at >= text.size()) return {};
    const bool minus = text[at] == '-';
    if (!take(text, at, "+-")) return {};
    const int oh = digits(text, at, 2);
    if (oh < 0 || oh > 23 || !take(text, at, ":")) return {};
    const int om = digits(text, at, 2);
    if (om < 0 || om > 59) return {};
    offset = hours{oh} + minutes{om};
    if (minus) offset = -offset;
  }
  if (at != text.size()) return {};
  const WallTime time = sys_days{date} + hours{h} + minutes{mi} + seconds{s} + fraction - offset;
  // In UTC the year may not have four digits; then the result could not be parsed again.
  constexpr WallTime kFirst = sys_days{year{0} / 1 / 1};
  constexpr WallTime kEnd = sys_days{year{10'000} / 1 / 1};
  if (time < kFirst || time >= kEnd) return {};
  return time;
}

}  // namespace ota
