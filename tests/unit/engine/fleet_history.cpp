// How a history goes on: what its fleet is, what a step may be, time, and how it ends.
#include "unit/engine/fleet_history.hpp"

namespace ota::engine::fleet {

void FleetHistory::start_engine() {
  open();
  fast();
}

void FleetHistory::prepare(std::uint64_t seed) {
  dice.seed(seed);
  options.tasks.max_active = static_cast<int>(2 + below(40));
  options.tasks.max_attempts = 3;
  if (chance(30)) options.tasks.default_expiry_s = 86'400;
  options.devices.present_s = chance(70) ? 3'600 : 7 * 86'400;
  options.rollouts.stage_timeout_s = chance(70) ? 86'400 : 7'200;
  loop.reset();
  start_engine();
  channels = {"default"};
  for (const auto* version : {"1.0.0", "2.0.0", "3.0.0", "4.0.0"})
    for (const auto* hardware : {"gw-a", "gw-b"}) {
      const auto image = static_cast<std::uint8_t>(version[0] - '0' + (hardware[3] == 'b' ? 10 : 0));
      catalogue.push_back(add_firmware(version, hardware, image));
      auto& flaw = flaws[digest_of(image)];
      if (chance(25)) flaw.loud = 1 + below(100);
      if (chance(25)) flaw.silent = 1 + below(100 - flaw.loud);
    }
  catalogue.push_back(add_firmware("5.0.0", "", 5));
  const auto count = chance(30) ? 1 + below(40) : 1 + below(8);
  for (std::uint64_t i = 0; i < count; ++i) {
    Simulated device;
    device.id = name(static_cast<int>(i));
    device.hardware = chance(75) ? "gw-a" : "gw-b";
    device.runs = chance(80) ? "1.0.0" : some_version();
    if (chance(20)) device.timezone = chance(50) ? "Asia/Tokyo" : "America/New_York";
    fleet.push_back(device);
  }
}

bool FleetHistory::run(std::uint64_t seed, int steps) {
  prepare(seed);
  while (steps_done < steps && faults.empty()) step();
  if (faults.empty()) everybody_behaves();
  return faults.empty();
}

void FleetHistory::step() {
  const auto roll = below(1000);
  if (roll < 600) return device_acts();
  if (roll < 640) return old_message();
  if (roll < 800) return operator_acts();
  if (roll < 970) return time_passes();
  if (roll < 975) return wall_jumps();
  if (roll < 985) return undone_unit();
  crash();
}

void FleetHistory::time_passes() {
  constexpr Millis kLongest[] = {1s, 60s, 10min, 1h, 1h, 12h, 4 * 24h};
  const auto longest = kLongest[chance(90) ? below(5) : 5 + below(2)];
  let_time_pass(Millis{1 + static_cast<long>(below(static_cast<std::uint64_t>(longest.count())))});
}

/// Mostly with the engine awake for some of its timers on the way.
void FleetHistory::let_time_pass(Millis by) {
  const auto end = clock.steady() + by;
  for (int looks = chance(60) ? 4 : 0; looks > 0 && faults.empty(); --looks) {
    const auto next = service->timers.next();
    if (!next) break;
    const auto wait = std::max<Millis>(*next - service->clock().now(), 1ms);
    if (clock.steady() + wait >= end) break;
    begin(std::to_string(wait.count()) + " ms pass, to the next timer");
    advance(wait);
    observe();
    take_pushes();
  }
  if (!faults.empty() || clock.steady() >= end) return;
  const auto rest = end - clock.steady();
  begin(std::to_string(rest.count()) + " ms pass");
  advance(rest);
  observe();
  take_pushes();
}

void FleetHistory::wall_jumps() {
  wall_jumped = true;
  const auto by = std::chrono::minutes{static_cast<long>(below(2'880)) - 1'440};
  begin("the wall clock jumps by " + std::to_string(by.count()) + " minutes");
  clock.set_wall(clock.wall() + by);
  unit([](auto& s) { s.timers.run(); });
  observe();
  take_pushes();
}

void FleetHistory::crash() {
  const bool again = chance(30);
  begin(again ? "the database is opened afresh" : "a crash");
  if (again) {
    clock.advance(10s);  // not at once after the last time
    reopen();
    unit([](TaskService&) {});
  } else {
    loop.reset();
    start_engine();
    unit([](auto& s) { s.lifecycle.resume_active(); });
  }
  fast();
  observe();
  take_pushes();
}

void FleetHistory::opens_up(const Rollout& rollout, int round) {
  const auto act = [&](RolloutEvent event, const std::string& actor, std::optional<Share> most = {}) {
    RolloutCommand wanted;
    wanted.id = rollout.id;
    wanted.event = event;
    wanted.max_failures = most;
    order<Rollout>(rollout.id.str() + " " + std::string(to_string(event)),
                   [=](TaskService& s) { return on_rollout_command(s, wanted, actor); });
  };
  const auto other = rollout.created_by == "anna" ? "ben" : "anna";
  if (is_halted(rollout.state)) {
    act(RolloutEvent::retry, other);
    act(RolloutEvent::resume, other, Share{});
  }
  if (rollout.state == RolloutState::paused) act(RolloutEvent::resume, other);
  if (rollout.state == RolloutState::waiting_start || rollout.state == RolloutState::waiting_stage)
    act(RolloutEvent::approve, other);
  // A stage without devices that fit waits for its operator.
  if (rollout.state == RolloutState::running && round % 4 == 3) act(RolloutEvent::advance, other);
}

void FleetHistory::operators_behave(int round) {
  for (const auto& [number, rollout] : known_rollouts())
    if (faults.empty()) opens_up(rollout, round);
}

void FleetHistory::everybody_behaves() {
  for (auto& image : catalogue)
    if (faults.empty())
      order<Firmware>("nothing is blocked", [&](TaskService& s) { return on_block_firmware(s, image.id, {}); });
  for (const auto& channel : channels)
    if (faults.empty())
      order<PutChannel>("no windows", [&](TaskService& s) { return on_put_channel(s, {channel, Windows{}, {}, {}}); });
  flaws.clear();
  // Longer than the 7 days for which a device may have postponed (RolloutSpec::postpone_s).
  for (int round = 0; round < 40 && faults.empty(); ++round) {
    operators_behave(round);
    for (auto& device : fleet)
      if (faults.empty()) behaves(device);
    if (faults.empty()) let_time_pass(round % 8 == 6 ? 49h : 50min);
  }
  if (faults.empty()) nobody_is_stuck();
}

void FleetHistory::nobody_is_stuck() {
  for (auto& device : fleet) behaves(device);
  for (auto& device : fleet) {
    const auto told = explained(device.id);
    const std::set<std::string_view> fine{"up_to_date", "ahead", "no_target", "pinned", "failed_before", "unknown_device"};
    if (!fine.contains(told.verdict))
      fault(device.id + " behaves, runs " + device.runs + " and is " + std::string(told.verdict) + " for " + told.should_run +
            " by " + told.by + ": " + told.text);
  }
  for (const auto& [number, rollout] : known_rollouts()) {
    const auto counts = service->rows.rollouts().counts(number);
    if (undecided(counts.all()) + counts.of(Bucket::absent) > 0)
      fault("rollout " + rollout.id.str() + " (" + std::string(to_string(rollout.state)) + ") has devices that never end");
    if (rollout.state != RolloutState::completed)
      fault("rollout " + rollout.id.str() + " never completes: " + std::string(to_string(rollout.state)) + " " +
            rollout.reason + " stage " + std::to_string(rollout.stage));
  }
}

}  // namespace ota::engine::fleet
