// Maintenance windows: the hours of the week in which devices may install, each in a time zone.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"

namespace ota {

enum class Weekday : std::uint8_t { mon, tue, wed, thu, fri, sat, sun };

std::string_view to_string(Weekday day);
std::optional<Weekday> parse_weekday(std::string_view text);
/// In their order, Monday first.
std::span<const std::string_view> weekday_names();

/// The time zone of a window that is each device's own.
inline constexpr std::string_view kDeviceTimezone = "device";
inline constexpr std::size_t kMaxWindows = 7;
inline constexpr std::uint16_t kMinutesOfDay = 24 * 60;

/// Open while the local clock shows a time from `from` until before `to`. `to` before `from` is on the next day, and
/// `days` are those of the beginning. So a part that a change of summer time skips is left out, and one that it repeats
/// is open both times.
struct Window {
  std::bitset<7> days;          ///< by Weekday; none: every day
  std::uint16_t from = 0;       ///< minute of the day, 0 to 1439
  std::uint16_t to = 0;         ///< minute of the day, 0 to 1440; never equal to `from`
  std::string timezone{"UTC"};  ///< IANA name, or kDeviceTimezone

  bool operator==(const Window&) const = default;
};

/// At most kMaxWindows; open while one of them is. None: always open.
using Windows = std::vector<Window>;

/// A window as its JSON has it: `{"days": ["sat"], "from": "23:00", "to": "04:00", "timezone": "Europe/Berlin"}`.
struct WindowFields {
  std::vector<std::string> days;  ///< weekday_names(); none: every day
  std::string from;               ///< `00:00` to `23:59`
  std::string to;                 ///< `00:00` to `24:00`
  std::string timezone;
};

/// Errc::malformed names each wrong field as `<field>[<index>].from`, and `field` where there are too many.
///
/// `from` and `to` must differ: a window of length zero is a mistake, and a whole day is `00:00` to `24:00`. The time
/// zone must be known (known_timezone) or `device`.
Result<Windows> parse_windows(std::span<const WindowFields> windows, std::string_view field);
WindowFields to_fields(const Window& window);

/// A text for storing: `sat,sun 23:00-04:00 Europe/Berlin;* 00:00-24:00 device`; `*` is every day. Empty: no windows.
std::string to_text(const Windows& windows);
/// What to_text() wrote; nothing for any other text. A time zone need not be known any more.
std::optional<Windows> windows_from_text(std::string_view text);

struct WindowState {
  bool open = true;
  /// When it closes or opens next; nothing if not within four weeks.
  std::optional<WallTime> next{};

  bool operator==(const WindowState&) const = default;
};

/// The state at `now`. Windows that touch or overlap are one. `device_zone` is the zone that the device reported; it
/// counts as UTC where it is empty or unknown, and so does a window's own that the database no longer has. Thread-safe.
WindowState window_state(const Windows& windows, std::string_view device_zone, WallTime now);

/// Whether the system's time zone database has that IANA name; `UTC` is always known. Letters' case counts.
/// Thread-safe. Each zone is read from /usr/share/zoneinfo once; a newer database is used after a restart.
bool known_timezone(std::string_view name);

}  // namespace ota
