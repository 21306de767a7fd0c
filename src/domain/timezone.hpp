// Time zones of the system's database (package tzdata).
#pragma once

#include <cctz/time_zone.h>

#include <optional>
#include <string_view>

#include "ota/base/clock.hpp"

namespace ota {

/// At most 64 of `A-Z a-z 0-9 _ + - /`, the first a capital letter, as all names of the IANA database are. Others in
/// the database's folder are its `right/`, `posix/` and `localtime`, which aren't zones.
bool wellformed_timezone(std::string_view name);

/// Nothing if the name is unknown. Thread-safe. Reads the zone at its first use.
std::optional<cctz::time_zone> find_timezone(std::string_view name);

/// A zone's offset from UTC, and the time until which it stays.
struct ZoneOffset {
  Millis offset{0};               ///< local time minus UTC
  std::optional<WallTime> until;  ///< nothing: for ever
};
ZoneOffset offset_at(const cctz::time_zone& zone, WallTime time);

}  // namespace ota
