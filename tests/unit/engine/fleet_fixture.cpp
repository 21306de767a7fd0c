#include "unit/engine/fleet_fixture.hpp"

#include <map>

namespace ota::engine {

std::string FleetTest::miscounted() {
  unit([](auto& s) { s.rows.unit.flush(); });
  const int wrong = unit([](auto& s) { return s.rows.rollouts().recount(); });
  if (wrong > 0) return std::to_string(wrong) + " counters of rollouts were wrong";
  std::map<std::string, std::int64_t> counted;
  const auto selected = unit([](auto& s) { return s.rows.devices().list({}, 100'000).rows; });
  for (const auto& device : selected)
    ++counted[device.channel + "/" + device.hardware + "/" + device.current_version + (device.pinned ? "/pinned" : "")];
  for (const auto& count : unit([](auto& s) { return s.rows.fleet().counts({}, 0); })) {
    auto& left = counted[count.channel + "/" + count.hardware + "/" + count.version + (count.pinned ? "/pinned" : "")];
    if (left != count.devices)
      return count.channel + "/" + count.hardware + "/" + count.version + " is " + std::to_string(left) + ", counted " +
             std::to_string(count.devices);
    left = 0;
  }
  for (const auto& [key, left] : counted)
    if (left != 0) return key + " isn't counted";
  return {};
}

}  // namespace ota::engine
