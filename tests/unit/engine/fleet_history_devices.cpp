// What devices do in a history.
#include "unit/engine/fleet_history.hpp"

namespace ota::engine::fleet {

void FleetHistory::device_acts() {
  auto& device = some_device();
  if (device.dead) {
    if (!chance(10)) return;
    device.dead = false;  // somebody repaired it
    device.restarts.reset();
    device.task.reset();
    device.has_image = false;
  }
  if (device.restarts && clock.steady() >= *device.restarts) return restarts(device);
  if (device.restarts && chance(80)) return;
  if (!device.restarts && chance(1)) {  // replaced by a new one
    device.runs = "1.0.0";
    device.task.reset();
    device.has_image = false;
  }
  if (device.task && !device.restarts && chance(65)) return works(device);
  contacts(device);
}

void FleetHistory::contacts(Simulated& device) {
  auto message = says(device.hardware, device.runs);
  message.timezone = device.timezone;
  if (chance(10)) message.current_version.reset();
  if (chance(1)) message.current_version = some_version();  // not what it runs
  if (chance(2)) message.version = some_version();
  deliver(device, message);
}

void FleetHistory::works(Simulated& device) {
  if (device.has_image) {
    if (chance(12)) return postpones(device);
    if (chance(4)) device.has_image = false;
    return deliver(device, VerifyReport{*device.task, {}, device.has_image ? device.image : digest_of(200), {}});
  }
  const auto roll = below(100);
  if (roll < 25) {
    ProgressReport report;
    report.task = *device.task;
    if (roll < 15) report.chunks = {{0, static_cast<std::uint32_t>(below(4))}};
    if (roll >= 15) report.percent = static_cast<int>(below(101));
    return deliver(device, report);
  }
  if (roll < 30) return reports(device, DeviceState::failed);
  if (roll < 38) return deliver(device, VerifyReport{*device.task, {}, digest_of(200), {}});
  device.has_image = true;
  deliver(device, VerifyReport{*device.task, {}, device.image, {}});
}

void FleetHistory::installs(Simulated& device) {
  if (device.restarts || device.runs == device.version) return;
  device.restarts = clock.steady() + Millis{static_cast<long>(below(1'200'000))};
}

void FleetHistory::restarts(Simulated& device) {
  const auto flaw = flaws[device.image];
  const auto roll = below(100);
  device.restarts.reset();
  device.has_image = false;
  if (roll < flaw.silent) {
    device.dead = true;
    return;
  }
  if (roll >= flaw.silent + flaw.loud) {
    device.runs = device.version;
    return chance(30) ? reports(device, DeviceState::installed) : contacts(device);
  }
  if (chance(40)) return contacts(device);
  reports(device, chance(50) ? DeviceState::rolled_back : DeviceState::failed);
}

void FleetHistory::postpones(Simulated& device) {
  ProgressReport report;
  report.task = *device.task;
  report.state = DeviceState::postponed;
  report.until = clock.wall() + std::chrono::minutes{static_cast<int>(below(600))};
  if (chance(10)) report.until = clock.wall() + std::chrono::days{30};
  deliver(device, report);
}

void FleetHistory::reports(Simulated& device, DeviceState state) {
  if (!device.task) return contacts(device);
  ProgressReport report;
  report.task = *device.task;
  report.state = state;
  deliver(device, report);
}

void FleetHistory::old_message() {
  if (bag.empty()) return;
  const auto message = bag[below(bag.size())];
  if (fleet[message.device].dead) return;
  deliver(fleet[message.device], message.body);
}

void FleetHistory::deliver(Simulated& device, const Body& body) {
  const auto index = static_cast<std::size_t>(&device - fleet.data());
  bag.push_back({index, body});
  if (bag.size() > 40) bag.pop_front();
  const auto id = *DeviceId::parse(device.id);
  const auto* asks = std::get_if<DeviceRequest>(&body);
  const auto* report = std::get_if<ProgressReport>(&body);
  const auto* verify = std::get_if<VerifyReport>(&body);
  const auto before = explained(device.id);
  std::string text = device.id;
  if (asks) text += " asks, runs " + asks->current_version.value_or("?") + (asks->version ? ", for " + *asks->version : "");
  if (report) text += " reports on " + std::to_string(report->task.number);
  if (report && report->state) text += " " + std::string(to_string(*report->state));
  if (verify) text += " verifies " + std::to_string(verify->task.number) + " as " + std::to_string(verify->checksum[0]);
  begin(text + " (" + std::string(before.verdict) + ")");
  const auto answer = unit([&](auto& s) {
    return std::visit([&](const auto& message) { return on_message(s, id, {}, message); }, body);
  });
  story.back() += " <- " + (answer ? std::string(type_of(*answer)) : "nothing");
  if (const auto* error = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr) story.back() += ": " + error->error.message;
  if (const auto* hold = answer ? std::get_if<HoldAnswer>(&*answer) : nullptr)
    story.back() += " " + std::string(to_string(hold->reason));
  observe();
  if (answer) check_explained(before, body, *answer);
  if (answer && chance(95)) take(device, *answer);
  take_pushes();
}

void FleetHistory::take(Simulated& device, const Answer& answer) {
  if (device.dead || device.restarts) return;
  const auto* again = std::get_if<RetryAnswer>(&answer);
  const auto* offer = again ? &again->offer : std::get_if<Offer>(&answer);
  if (offer) {
    if (again || device.task != offer->task) device.has_image = false;
    device.task = offer->task;
    device.version = offer->version;
    device.image = offer->checksum;
  }
  if (const auto* success = std::get_if<SuccessAnswer>(&answer))
    if (device.task == success->task && device.has_image) installs(device);
  const auto* cancel = std::get_if<CancelAnswer>(&answer);
  const auto* failed = std::get_if<FailedAnswer>(&answer);
  const bool over = (cancel && device.task == cancel->task && cancel->reason != CancelReason::preempted) ||
                    (failed && device.task == failed->task) || std::holds_alternative<UpToDateAnswer>(answer);
  if (!over) return;
  device.task.reset();
  device.has_image = false;
}

void FleetHistory::take_pushes() {
  for (const auto& [id, answer] : std::exchange(notifier.pushed, {}))
    for (auto& device : fleet)
      if (device.id == id && chance(85)) take(device, answer);
}

/// All that a device has to do until it runs what it is given.
void FleetHistory::behaves(Simulated& device) {
  device.dead = false;
  if (device.restarts && clock.steady() >= *device.restarts) {
    device.restarts.reset();
    device.has_image = false;
    device.runs = device.version;
  }
  auto message = says(device.hardware, device.runs);
  deliver(device, message);
  if (!device.task || device.restarts || !faults.empty()) return;
  device.has_image = true;
  deliver(device, VerifyReport{*device.task, {}, device.image, {}});
}

}  // namespace ota::engine::fleet
