// Rollouts with devices that behave as the test says.
#pragma once

#include <cmath>

#include "engine/fleet_commands.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {

class FleetTest : public TaskServiceTest {
 protected:
  FleetTest() {
    options.tasks.max_active = 1'000;
    options.devices.present_s = 30 * 86'400;  // presence is a matter of some tests only
    open();
    add_firmware("1.0.0", "gw-a", 1);
    add_firmware("2.0.0", "gw-a", 2);
    add_firmware("3.0.0", "gw-a", 3);
  }

  static std::string name(int i) { return "gw-" + std::to_string(i); }

  /// `count` devices contact the server; they run `version`.
  void devices(int count, const std::string& version = "1.0.0", int first = 1) {
    for (int i = first; i < first + count; ++i) {
      random.value = std::fmod(i * 0.618034, 1.0);  // another place in the ring for each
      request(name(i), says("gw-a", version));
    }
  }

  RolloutSpec spec(const std::string& version = "2.0.0") {
    RolloutSpec spec;
    spec.channel = "default";
    spec.version = version;
    for (const auto* text : {"canary", "1%", "10%", "100%"}) spec.stages.emplace_back().to = *Share::parse(text);
    return spec;
  }
  Result<RolloutOutcome> create(RolloutSpec wanted, bool supersede = false, const std::string& actor = "anna") {
    RolloutOrder order;
    order.spec = std::move(wanted);
    order.supersede = supersede;
    return unit([&](auto& s) { return on_create_rollout(s, order, actor); });
  }
  RolloutId rollout(RolloutSpec wanted) { return create(std::move(wanted)).value().rollout.id; }
  Result<Rollout> command(const RolloutId& id, RolloutEvent event, const std::string& actor = "anna",
                          std::optional<Share> max_failures = {}) {
    RolloutCommand command;
    command.id = id;
    command.event = event;
    command.max_failures = max_failures;
    return unit([&](auto& s) { return on_rollout_command(s, command, actor); });
  }
  Rollout read(const RolloutId& id) {
    return unit([&](auto& s) { return s.rollouts.read(id.number); }).value();
  }
  BucketCounts buckets(const RolloutId& id) {
    return unit([&](auto& s) { return s.rollouts.counts(id.number).all(); });
  }
  std::int64_t in(const RolloutId& id, Bucket bucket) { return at(buckets(id), bucket); }
  std::string state_of(const RolloutId& id) {
    const auto rollout = read(id);
    return std::string(to_string(rollout.state)) + (rollout.reason.empty() ? "" : " " + rollout.reason);
  }
  using TaskServiceTest::state_of;

  std::optional<Task> task_in(const RolloutId& id, const std::string& device) {
    return unit([&](auto& s) { return s.rows.unit.member(id.number, device); });
  }
  std::string verdict(const std::string& device) {
    return std::string(unit([&](auto& s) { return explain_device(s, device); }).verdict);
  }

  static std::uint8_t seed_of(const std::string& version) { return static_cast<std::uint8_t>(version.front() - '0'); }

  /// The device asks, and where it is offered something says that it has the image: `success`, `hold`, or what it was
  /// answered to its request.
  std::string fetches(const std::string& device, const std::string& runs = "1.0.0") {
    const auto answer = request(device, says("gw-a", runs));
    const auto* offer = std::get_if<Offer>(&answer);
    if (!offer) return std::string(type_of(answer));
    return std::string(type_of(verify(device, offer->task, seed_of(offer->version))));
  }
  /// It says what it runs.
  void reports(const std::string& device, const std::string& version) { request(device, says("gw-a", version)); }
  /// Its task's installation ended so.
  void says_state(const std::string& device, DeviceState what) {
    const auto active = unit([&](auto& s) { return s.rows.unit.active_of(device); });
    if (active) state(device, active->id, what);
  }

  /// Gets the version and proves it.
  void updates(const std::string& device, const std::string& version = "2.0.0", const std::string& from = "1.0.0") {
    ASSERT_EQ(fetches(device, from), "success") << device;
    reports(device, version);
    advance(1801s);
    reports(device, version);
  }

  /// The counters of rollouts and of the fleet equal a recount.
  std::string miscounted();
};

}  // namespace ota::engine
