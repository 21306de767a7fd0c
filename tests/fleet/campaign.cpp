// Plays the default rollout against many fleets, prints how many devices bad firmware harms, and checks the promises of
// docs/fleet.md. Each fleet is played 300 times; large ones that take long 20 times, or as OTAD_FLEET_RUNS says.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "ota/domain/rollout.hpp"
#include "ota/simulate/run.hpp"

namespace {

using namespace ota;
using simulate::Fleet;
using simulate::Group;
using simulate::Summary;

constexpr std::int64_t kRuns = 300;
constexpr std::int64_t kLargest = 10'000;

/// What must hold of all runs, B being the failure budget.
enum class Promise : std::uint8_t {
  completes,  ///< each run, without harm
  total,      ///< no run harms more than B devices
  partial,    ///< 95 of 100 runs harm at most the larger of B + 1 and 1.3 B
  harmless    ///< no run harms a device, and they may halt
};

struct Case {
  std::string name;
  std::vector<Group> groups;  ///< their devices: percent of the fleet
  Promise promise;
  bool expensive = false;  ///< to play with the largest fleet
};

Group all() {
  Group group;
  group.devices = 100;
  return group;
}

Group breaks(double loud, double silent, Group group = all()) {
  group.fails_loud = loud;
  group.fails_silent = silent;
  return group;
}

Group part(std::int64_t percent, Group group) {
  group.devices = percent;
  return group;
}

Group contacts(Millis gap, Group group = all()) {
  group.gap = gap;
  return group;
}

Group flaps(Group group = all()) {
  group.flapping = 0.2;
  return group;
}

Group lies(Group group = all()) {
  group.lying = 0.05;
  return group;
}

Group dead(Group group) {
  group.dead = 0.3;
  return group;
}

Group old(Group group) {
  group.from_version = "0.9.0";
  return group;
}

std::vector<Case> cases() {
  constexpr Millis kHour = std::chrono::hours{1};
  constexpr Millis kDay = std::chrono::days{1};
  const auto present = [](Group group) { return part(50, group); };
  const auto daily = [=](Group group) { return part(50, contacts(kDay, group)); };
  return {
      {"breaks 100 %, loud", {breaks(1, 0)}, Promise::total},
      {"breaks 100 %, silent", {breaks(0, 1)}, Promise::total},
      {"breaks 20 %, loud", {breaks(0.2, 0)}, Promise::partial},
      {"breaks 20 %, silent", {breaks(0, 0.2)}, Promise::partial},
      {"breaks 5 %, loud", {breaks(0.05, 0)}, Promise::partial},
      {"breaks 5 %, silent", {breaks(0, 0.05)}, Promise::partial},
      {"half daily: breaks those, silent", {present(all()), daily(breaks(0, 1))}, Promise::total, true},
      {"half daily: breaks 20 %, silent", {present(breaks(0, 0.2)), daily(breaks(0, 0.2))}, Promise::partial},
      {"half daily: breaks 5 %, silent", {present(breaks(0, 0.05)), daily(breaks(0, 0.05))}, Promise::partial},
      {"hourly: breaks 20 %, silent", {contacts(kHour, breaks(0, 0.2))}, Promise::partial},
      {"30 % old version: breaks those, loud", {part(70, all()), part(30, old(breaks(1, 0)))}, Promise::total},
      {"30 % old version: breaks those, silent", {part(70, all()), part(30, old(breaks(0, 1)))}, Promise::total},
      {"20 % flapping: breaks 100 %, silent", {flaps(breaks(0, 1))}, Promise::total, true},
      {"20 % flapping: breaks 20 %, silent", {flaps(breaks(0, 0.2))}, Promise::partial, true},
      {"20 % flapping: breaks 5 %, silent", {flaps(breaks(0, 0.05))}, Promise::partial, true},
      {"5 % lying: breaks 100 %, silent", {lies(breaks(0, 1))}, Promise::partial},
      {"5 % lying: breaks 20 %, silent", {lies(breaks(0, 0.2))}, Promise::partial},
      {"5 % lying: good", {lies()}, Promise::harmless},
      {"good", {all()}, Promise::completes, true},
      {"good, hourly", {contacts(kHour)}, Promise::completes, true},
      {"good, half daily", {present(all()), daily(all())}, Promise::completes, true},
      {"good, 30 % dead, half daily", {present(dead(all())), daily(dead(all()))}, Promise::completes, true},
      {"good, all daily", {contacts(kDay)}, Promise::completes, true},
      {"good, 20 % flapping", {flaps()}, Promise::completes, true},
  };
}

bool kept(Promise promise, const Summary& summary) {
  const auto budget = static_cast<double>(summary.budget);
  if (summary.rule_broken) return false;
  switch (promise) {
    case Promise::completes:
      return summary.completed == summary.runs && summary.harmed.worst == 0;
    case Promise::total:
      return summary.harmed.worst <= budget;
    case Promise::partial:
      return summary.harmed.p95 <= std::max(budget + 1, 1.3 * budget);
    default:
      return summary.harmed.worst == 0;
  }
}

/// Whether the promise was kept.
bool play(const Case& one, std::int64_t devices, std::int64_t runs, const simulate::Plan& plan) {
  Fleet fleet{one.groups};
  for (auto& group : fleet.groups) group.devices = group.devices * devices / 100;
  const auto summary = simulate::simulate(fleet, plan, runs, 1);
  const bool good = kept(one.promise, summary);
  const auto& harmed = summary.harmed;
  const auto percent = [&](double n) { return 100 * n / static_cast<double>(devices); };
  const auto& hours = summary.halted > 0 ? summary.hours_halted : summary.hours_completed;
  fmt::print("{:6} {:<40}{:5} runs  harmed {:3} {:3} {:3}  ({:.2f} {:.2f} {:.2f} %)  completed {:3}  "
             "hours {:.1f} {:.1f} {:.1f}{}\n",
             devices, one.name, runs, harmed.median, harmed.p95, harmed.worst, percent(harmed.median),
             percent(harmed.p95), percent(harmed.worst), summary.completed, hours.median, hours.p95, hours.worst,
             good ? "" : "  BROKEN");
  std::fflush(stdout);
  return good;
}

}  // namespace

int main() {
  const auto* given = std::getenv("OTAD_FLEET_RUNS");
  const bool sanitized = std::getenv("OTAD_SANITIZED") != nullptr;
  const auto cheap = sanitized ? kRuns / 10 : kRuns;
  const auto expensive = sanitized ? 2 : given ? std::max<std::int64_t>(1, std::atoll(given)) : 20;
  fmt::print("harmed: devices, median, 95th percentile and worst; hours: until halted, where runs halted\n");
  const auto plan = simulate::read_plan("", "").value();
  int broken = 0;
  for (const std::int64_t devices : {std::int64_t{100}, std::int64_t{1'000}, kLargest})
    for (const auto& one : cases()) {
      const bool few = one.expensive && devices == kLargest;
      broken += play(one, devices, few ? expensive : cheap, plan) ? 0 : 1;
    }
  fmt::print("{} promises broken\n", broken);
  return broken == 0 ? 0 : 1;
}
