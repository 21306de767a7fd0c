#include "ota/domain/contact.hpp"

#include <algorithm>
#include <array>

namespace ota {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr Millis kLongestMemory = days{3};
constexpr std::array<std::string_view, kContactClasses> kContactNames{"up to 5 minutes", "up to an hour",
                                                                      "up to 6 hours", "more than 6 hours"};

}  // namespace

ContactClass contact_class(Millis gap) {
  if (gap <= minutes{5}) return ContactClass::minutes;
  if (gap <= hours{1}) return ContactClass::hour;
  return gap <= hours{6} ? ContactClass::hours : ContactClass::day;
}

std::string_view to_string(ContactClass contact) { return kContactNames.at(static_cast<std::size_t>(contact)); }

Millis usual_gap(Millis gap) { return std::clamp<Millis>(gap, minutes{1}, days{1}); }

Millis next_gap(Millis gap, Millis seen_for, Millis since_last) {
  const auto before = static_cast<double>(std::clamp<Millis>(seen_for, Millis{0}, kLongestMemory).count());
  const auto last = static_cast<double>(std::max(since_last, Millis{0}).count());
  if (last <= 0) return gap;
  const double mean = (static_cast<double>(gap.count()) * before + last * last) / (before + last);
  return Millis{static_cast<std::int64_t>(mean)};
}

}  // namespace ota
