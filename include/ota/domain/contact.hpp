// How often a device contacts the server.
#pragma once

#include <cstdint>
#include <string_view>

#include "ota/base/clock.hpp"

namespace ota {

/// By the device's usual gap between contacts: a flaw that hits only the devices of one class must not hide behind the
/// others. Kept as numbers in the database.
enum class ContactClass : std::uint8_t { minutes, hour, hours, day };
inline constexpr std::size_t kContactClasses = 4;
/// Up to 5 minutes, an hour, 6 hours, more.
ContactClass contact_class(Millis gap);
/// `up to 5 minutes`, …
std::string_view to_string(ContactClass contact);

/// The gap as the rules of a rollout count it: 1 minute at least, 1 day at most.
Millis usual_gap(Millis gap);

/// The time-weighted mean of the gaps between a device's contacts, over its last three days at most.
/// `seen_for`: from its first contact to the one before this.
Millis next_gap(Millis gap, Millis seen_for, Millis since_last);

}  // namespace ota
