// Whether a window is open, and when that changes. A window is a set of times on a local clock, the same each week.
// While a zone's offset from UTC stays, its local clock runs as UTC does: there the next change is found on the local
// clock. Where the offset changes, the search goes on with what the clock shows then.

#include <algorithm>

#include "domain/timezone.hpp"
#include "ota/domain/window.hpp"

namespace ota {
namespace {

using std::chrono::days;
using std::chrono::minutes;

/// What a local clock shows, as time since it showed 1970-01-01T00:00.
using LocalTime = std::chrono::local_time<Millis>;
using LocalDay = std::chrono::local_days;

/// Two weeks are enough for a window that is skipped once.
constexpr auto kHorizon = days(28);

bool begins_on(const Window& window, LocalDay day) {
  return window.days.none() || window.days.test(std::chrono::weekday(day).iso_encoding() - 1);
}

/// The end of what began before or at `time` and ends after it: of that day or of the day before.
std::optional<LocalTime> end_of_open(const Window& window, LocalTime time) {
  const auto today = std::chrono::floor<days>(time);
  for (const auto day : {today, today - days(1)}) {
    const LocalTime start = day + minutes(window.from);
    const LocalTime end = (window.to > window.from ? day : day + days(1)) + minutes(window.to);
    if (start <= time && time < end && begins_on(window, day)) return end;
  }
  return std::nullopt;
}

/// The first time from `time` on at which the window is not open; nothing if it is open all week.
std::optional<LocalTime> first_closed(const Window& window, LocalTime time) {
  for (int i = 0; i <= 7; ++i) {
    const auto end = end_of_open(window, time);
    if (!end) return time;
    time = *end;
  }
  return std::nullopt;
}

/// The first time from `time` on at which the window is open.
std::optional<LocalTime> first_open(const Window& window, LocalTime time) {
  if (end_of_open(window, time)) return time;
  const auto today = std::chrono::floor<days>(time);
  for (auto day = today; day <= today + days(7); day += days(1))
    if (begins_on(window, day) && day + minutes(window.from) > time) return day + minutes(window.from);
  return std::nullopt;
}

/// A window and the zone that it has for one device.
struct ZonedWindow {
  const Window* window;
  cctz::time_zone zone;
};

/// The first time from `time` on at which the window is open (or not); nothing from `limit` on.
std::optional<WallTime> first(const ZonedWindow& zoned, bool open, WallTime time, WallTime limit) {
  while (time < limit) {
    const auto [offset, until] = offset_at(zoned.zone, time);
    const LocalTime shown{time.time_since_epoch() + offset};
    const auto local = open ? first_open(*zoned.window, shown) : first_closed(*zoned.window, shown);
    const auto found = local ? std::optional(WallTime(local->time_since_epoch() - offset)) : std::nullopt;
    if (found && (!until || *found < *until)) return *found < limit ? found : std::nullopt;
    if (!until) return std::nullopt;
    time = *until;
  }
  return std::nullopt;
}

std::vector<ZonedWindow> with_zones(const Windows& windows, std::string_view device_zone) {
  std::vector<ZonedWindow> zoned;
  zoned.reserve(windows.size());
  for (const auto& window : windows) {
    const auto zone = find_timezone(window.timezone == kDeviceTimezone ? device_zone : window.timezone);
    zoned.push_back({&window, zone.value_or(cctz::utc_time_zone())});
  }
  return zoned;
}

/// When the last of those that touch or overlap closes; `time` if all are closed then.
std::optional<WallTime> closes(const std::vector<ZonedWindow>& windows, WallTime time, WallTime limit) {
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& window : windows) {
      const auto end = first(window, false, time, limit);
      if (!end) return std::nullopt;
      moved |= *end > time;
      time = *end;
    }
  }
  return time;
}

}  // namespace

WindowState window_state(const Windows& windows, std::string_view device_zone, WallTime now) {
  if (windows.empty()) return {true, {}};
  const auto zoned = with_zones(windows, device_zone);
  const WallTime limit = now + kHorizon;
  const auto closed = closes(zoned, now, limit);
  if (closed != now) return {true, closed};
  WindowState state{false, {}};
  for (const auto& window : zoned) {
    const auto opens = first(window, true, now, limit);
    if (opens && (!state.next || *opens < *state.next)) state.next = opens;
  }
  return state;
}

}  // namespace ota
