// What operators do in a history.
#include <algorithm>

#include "unit/engine/fleet_history.hpp"

namespace ota::engine::fleet {

void FleetHistory::operator_acts() {
  const auto roll = below(100);
  if (roll < 18) return creates();
  if (roll < 52) return commands();
  if (roll < 60) return changes_rollout();
  if (roll < 64) return rolls_back();
  if (roll < 70) return changes_channel();
  if (roll < 84) return changes_device();
  if (roll < 88) return changes_firmware();
  orders_task();
}

std::vector<Stage> FleetHistory::some_stages() {
  std::vector<Stage> stages;
  for (const auto* text : {"canary", "1", "1%", "2", "25%", "50%"}) {
    if (chance(65)) continue;
    auto& stage = stages.emplace_back();
    stage.to = *Share::parse(text);
    if (chance(10)) stage.tags = {{"site", "lab"}};
    if (chance(20)) stage.delay_s = static_cast<int>(below(7'200));
    stage.approve = chance(10);
  }
  if (chance(5)) std::reverse(stages.begin(), stages.end());  // refused where they shrink
  return stages;
}

RolloutSpec FleetHistory::some_spec() {
  RolloutSpec spec;
  spec.channel = chance(98) ? some_channel() : "nowhere";
  spec.version = chance(97) ? some_version() : "9.9.9";
  if (chance(90)) spec.hardware = chance(75) ? "gw-a" : "gw-b";
  if (chance(8)) {
    spec.version = "5.0.0";
    spec.hardware.reset();
  }
  spec.stages = some_stages();
  const auto roll = below(100);
  spec.max_failures = {Share::Kind::count, static_cast<std::int64_t>(1 + below(5))};
  if (roll < 30) spec.max_failures = {Share::Kind::percent, static_cast<std::int64_t>(100 * (1 + below(40)))};
  if (roll < 8) spec.max_failures = {};
  if (chance(15)) spec.max_soaking = static_cast<std::int64_t>(1 + below(3));
  spec.soak_s = static_cast<int>(60 + below(7'200));
  spec.stage_delay_s = static_cast<int>(below(3'600));
  if (chance(10)) spec.only_from = {"1.0.0", some_version()};
  if (chance(10)) spec.where = {"tag.site=lab"};
  if (chance(15)) spec.priority = chance(50) ? Priority::security : Priority::low;
  if (chance(12)) spec.not_before = clock.wall() + std::chrono::minutes{static_cast<long>(below(1'440))};
  if (chance(10)) spec.expires_at = clock.wall() + std::chrono::minutes{static_cast<long>(below(4'320))};
  spec.ignore_window = chance(20);
  if (chance(40)) spec.postpone_s = static_cast<int>(below(2) * 7'200);
  spec.force = chance(20);
  return spec;
}

std::optional<Rollout> FleetHistory::some_rollout() {
  const auto all = service->rows.rollouts().list({}, 0, chance(80) ? 4 : 30);
  if (all.empty()) return {};
  return all[below(all.size())];
}

void FleetHistory::creates() {
  RolloutOrder wanted;
  wanted.spec = some_spec();
  wanted.supersede = chance(30);
  const auto actor = some_operator();
  order<RolloutOutcome>("rollout of " + wanted.spec.version + " for " + wanted.spec.hardware.value_or("any") + " in " +
                            wanted.spec.channel + (wanted.supersede ? ", supersedes" : ""),
                        [=](TaskService& s) { return on_create_rollout(s, wanted, actor); });
}

void FleetHistory::commands() {
  const auto rollout = some_rollout();
  if (!rollout) return creates();
  constexpr RolloutEvent kCommands[] = {RolloutEvent::pause,   RolloutEvent::resume, RolloutEvent::resume,
                                        RolloutEvent::advance, RolloutEvent::finish, RolloutEvent::cancel,
                                        RolloutEvent::approve, RolloutEvent::approve, RolloutEvent::deny,
                                        RolloutEvent::retry,   RolloutEvent::resume, RolloutEvent::retry};
  RolloutCommand wanted;
  wanted.id = rollout->id;
  wanted.event = kCommands[below(std::size(kCommands))];
  if (wanted.event == RolloutEvent::cancel && chance(70)) wanted.event = RolloutEvent::resume;
  if (wanted.event == RolloutEvent::resume && chance(50)) {
    wanted.max_failures = Share{Share::Kind::count, static_cast<std::int64_t>(1 + below(8))};
    if (chance(20)) wanted.max_failures = Share{};
  }
  if (wanted.event == RolloutEvent::retry && chance(40)) wanted.devices = {some_device().id};
  if (wanted.event == RolloutEvent::retry && chance(20)) wanted.reason = "silent";
  const auto actor = some_operator();
  order<Rollout>(rollout->id.str() + " " + std::string(to_string(wanted.event)) +
                     (wanted.max_failures ? " with " + to_string(*wanted.max_failures) : ""),
                 [=](TaskService& s) { return on_rollout_command(s, wanted, actor); });
}

void FleetHistory::changes_rollout() {
  const auto rollout = some_rollout();
  if (!rollout) return;
  const auto other = some_spec();
  RolloutChange change;
  change.id = rollout->id;
  if (chance(25)) change.max_failures = other.max_failures;
  if (chance(25)) change.max_soaking = other.max_soaking;
  if (chance(25)) change.stage_delay_s = other.stage_delay_s;
  if (chance(25)) change.stages = other.stages;
  if (chance(25)) change.priority = other.priority;
  if (chance(10)) change.expires_at = other.expires_at;
  if (chance(25)) change.ignore_window = other.ignore_window;
  order<Rollout>(rollout->id.str() + " is changed", [=](TaskService& s) { return on_change_rollout(s, change); });
}

void FleetHistory::rolls_back() {
  const auto rollout = some_rollout();
  if (!rollout) return;
  const auto to = chance(50) ? std::optional{some_version()} : std::nullopt;
  const auto actor = some_operator();
  order<Rollout>(rollout->id.str() + " is rolled back" + (to ? " to " + *to : ""),
                 [=](TaskService& s) { return on_rollback(s, rollout->id, to, actor); });
}

Windows FleetHistory::some_windows() {
  Windows windows;
  constexpr const char* kZones[] = {"UTC", "Europe/Berlin", "America/New_York", "device"};
  for (auto count = chance(50) ? 0 : 1 + below(2); count > 0; --count) {
    auto& window = windows.emplace_back();
    window.from = static_cast<std::uint16_t>(below(kMinutesOfDay));
    window.to = static_cast<std::uint16_t>((window.from + 30 + below(720)) % kMinutesOfDay);
    if (chance(30)) window.days.set(below(7));
    window.timezone = kZones[below(4)];
  }
  return windows;
}

void FleetHistory::changes_channel() {
  const auto roll = below(100);
  if (roll < 15) {
    const auto channel = some_channel();
    const std::string hardware = chance(75) ? "gw-a" : "gw-b";
    return order<void>("channel " + channel + " has no target for " + hardware,
                       [=](TaskService& s) { return on_remove_target(s, channel, hardware); });
  }
  if (roll < 25) {
    const auto channel = some_channel();
    order<void>("channel " + channel + " is removed", [=](TaskService& s) { return on_remove_channel(s, channel); });
    if (!service->channels.find(channel)) std::erase(channels, channel);
    return;
  }
  ChannelChange change;
  change.name = chance(60) ? some_channel() : chance(50) ? "beta" : "slow";
  if (std::find(channels.begin(), channels.end(), change.name) == channels.end()) channels.push_back(change.name);
  if (chance(60)) change.windows = some_windows();
  if (chance(30)) change.approval = chance(30);
  order<PutChannel>("channel " + change.name + " has " + (change.windows ? to_text(*change.windows) : "its windows"),
                    [=](TaskService& s) { return on_put_channel(s, change); });
}

void FleetHistory::changes_device() {
  auto& device = some_device();
  const auto roll = below(100);
  if (roll < 10)
    return order<void>(device.id + " is removed", [&](TaskService& s) { return on_remove_device(s, device.id, "anna"); });
  if (roll < 35) {
    MoveOrder move;
    move.channel = some_channel();
    for (auto count = 1 + below(3); count > 0; --count) move.devices.push_back(some_device().id);
    return order<Moved>("devices from " + move.devices.front() + " on move to " + move.channel,
                        [=](TaskService& s) { return on_move_devices(s, move); });
  }
  DeviceChange change;
  change.device = device.id;
  change.may_create = true;
  if (chance(30)) change.pinned = chance(50);
  if (chance(25)) change.channel = some_channel();
  if (chance(40)) change.tags["site"] = chance(60) ? std::optional<std::string>{"lab"} : std::nullopt;
  if (chance(15)) change.timezone = device.timezone;
  if (chance(8)) change.hardware = device.hardware = chance(60) ? "gw-a" : "gw-b";
  order<PutDevice>(device.id + " is changed" + (change.pinned ? *change.pinned ? ", pinned" : ", not pinned" : "") +
                       (change.channel ? ", to " + *change.channel : "") +
                       (change.hardware ? ", " + *change.hardware : ""),
                   [=](TaskService& s) { return on_change_device(s, change); });
}

void FleetHistory::changes_firmware() {
  const auto image = catalogue[below(catalogue.size())];
  const auto name = image.version + " for " + image.hardware;
  const auto roll = below(100);
  if (roll < 25)
    return order<Firmware>(name + " is blocked", [=](TaskService& s) { return on_block_firmware(s, image.id, "bad"); });
  if (roll < 75)
    return order<Firmware>(name + " isn't blocked", [=](TaskService& s) { return on_block_firmware(s, image.id, {}); });
  if (roll < 80) {
    order<void>("the image of " + name + " is damaged", [=](TaskService& s) {
      on_image_damaged(s, image.checksum);
      return Result<void>{};
    });
  }
  if (roll >= 90)
    order<Firmware>(name + " is removed", [=](TaskService& s) { return on_remove_firmware(s, image.id); });
  // Uploaded again.
  order<AddedFirmware>(name + " is uploaded", [=](TaskService& s) { return on_add_firmware(s, image); });
  for (auto& each : catalogue)
    if (const auto there = service->rows.firmware.find(each.version, each.hardware)) each.id = there->id;
}

void FleetHistory::orders_task() {
  const auto tasks = service->rows.tasks().open_with_image(catalogue[below(catalogue.size())].checksum, 20);
  if (!tasks.empty() && chance(30)) {
    const auto task = tasks[below(tasks.size())].id;
    return order<Task>("task " + task.str() + " is cancelled", [=](TaskService& s) { return on_cancel(s, task, "anna"); });
  }
  const auto& device = some_device();
  if (chance(30)) {
    const auto last = row_of(device.id);
    if (!last || last->last_update == 0) return;
    const auto task = service->rows.tasks().find(last->last_update);
    if (!task) return;
    return order<Task>("task " + task->id.str() + " is retried", [=](TaskService& s) { return on_retry(s, task->id, "anna"); });
  }
  UpgradeOrder wanted;
  wanted.device = device.id;
  wanted.version = some_version();
  wanted.force = chance(30);
  wanted.pin = chance(5);
  if (chance(20)) wanted.priority = Priority::security;
  order<UpgradeOutcome>(wanted.version + " is ordered for " + device.id,
                        [=](TaskService& s) { return on_upgrade(s, wanted, "anna"); });
}

/// A command that fails when it has done something: nothing of it may stay.
void FleetHistory::undone_unit() {
  const auto rollout = some_rollout();
  if (!rollout) return;
  const auto event = chance(50) ? RolloutEvent::finish : chance(50) ? RolloutEvent::cancel : RolloutEvent::pause;
  begin(rollout->id.str() + " " + std::string(to_string(event)) + ", undone");
  try {
    unit([&](TaskService& s) {
      RolloutCommand wanted;
      wanted.id = rollout->id;
      wanted.event = event;
      static_cast<void>(on_rollout_command(s, wanted, "anna"));
      throw std::runtime_error("by the test");
    });
  } catch (const std::runtime_error&) {
    story.back() += " <- undone";
  }
  observe();
}

}  // namespace ota::engine::fleet
