// When devices poll next.
#pragma once

#include <chrono>
#include <string>

namespace ota::ddi {

inline constexpr std::chrono::seconds kShortestPoll{30};
inline constexpr std::chrono::seconds kLongestPoll{86'399};

/// `interval`, a fifth more or less, so that devices which came together don't come together again. `unit`: from 0 to
/// 1. Within kShortestPoll and kLongestPoll.
std::chrono::seconds spread(std::chrono::seconds interval, double unit);

/// `HH:MM:SS`, which clients insist on. Precondition: less than a day.
std::string to_hms(std::chrono::seconds time);

}  // namespace ota::ddi
