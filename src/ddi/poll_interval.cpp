#include "ddi/poll_interval.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace ota::ddi {

std::chrono::seconds spread(std::chrono::seconds interval, double unit) {
  constexpr double kLeast = 0.75;
  constexpr double kPart = 0.2;
  const auto whole = static_cast<double>(interval.count());
  const auto least = std::max(whole * kLeast, static_cast<double>(kShortestPoll.count()));
  const auto told = std::chrono::seconds{std::llround(least + unit * kPart * whole)};
  return std::clamp(told, kShortestPoll, kLongestPoll);
}

std::string to_hms(std::chrono::seconds time) {
  const auto seconds = time.count();
  return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

}  // namespace ota::ddi
