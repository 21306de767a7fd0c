// When devices poll next.
#pragma once

#include <chrono>
#include <string>

namespace ota::ddi {

inline constexpr std::chrono::seconds kShortestPoll{30};
inline constexpr std::chrono::seconds kLongestPoll{86'399};

/// A twentieth to a quarter less than `interval`, so that devices which came together don't come together again, and are
/// back before somebody who waits for so long takes them for absent. `unit`: from 0 to 1. Within kShortestPoll and
/// kLongestPoll.
std::chrono::seconds spread(std::chrono::seconds interval, double unit);

/// `HH:MM:SS`, which clients insist on. Precondition: less than a day.
std::string to_hms(std::chrono::seconds time);

}  // namespace ota::ddi
