#include "engine/admission.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/commands.hpp"
#include "engine/task_service.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr int kScannedAtOnce = 256;  // devices of the ring in one turn of the engine
constexpr int kAdmittedAtOnce = 64;

std::string stage_name(const Rollout& rollout) {
  return fmt::format("stage {} of rollout {}", rollout.stage + 1, rollout.id.str());
}

bool carries(const Device& device, const std::map<std::string, std::string>& tags) {
  return std::all_of(tags.begin(), tags.end(), [&](const auto& tag) {
    const auto found = device.tags.find(tag.first);
    return found != device.tags.end() && found->second == tag.second;
  });
}

/// The engine's own word on whether the device's earlier task in the rollout stands in its way; empty: it doesn't.
std::string stands_in_the_way(const Task& task) {
  if (!is_ended(task.state)) return fmt::format("task {} is {}", task.id.str(), to_string(task.state));
  const auto bucket = bucket_of(task);
  if (bucket == Bucket::failed || bucket == Bucket::undelivered)
    return fmt::format("task {} failed: {}", task.id.str(), task.reason);
  if (task.state == TaskState::cancelled && task.reason == "cancelled")
    return fmt::format("an operator cancelled task {}", task.id.str());
  return {};  // it moved, was pinned, or runs something older again
}

class Checks {
 public:
  explicit Checks(std::vector<DeviceCheck>& checks) : checks_(checks) {}
  /// Notes the check; false where it failed.
  bool note(std::string_view check, bool ok, std::string detail = {}) {
    checks_.push_back({check, ok, std::move(detail)});
    return ok;
  }

 private:
  std::vector<DeviceCheck>& checks_;
};

}  // namespace

std::string_view FleetAdmission::Findings::failed() const {
  for (const auto& check : checks)
    if (!check.ok) return check.check;
  return {};
}

bool FleetAdmission::fits(const Device& device, const std::vector<std::string>& where) const {
  std::vector<FieldCondition> conditions;
  for (const auto& text : where) {
    auto condition = parse_condition(text, Selects::devices);
    if (!condition) return false;
    conditions.push_back(std::move(*condition));
  }
  Subject subject;
  subject.device = &device;
  subject.presence = service_.presence();
  return matches(conditions, subject);
}

void FleetAdmission::look_at_stage(const Device& device, const Rollout& rollout, Findings& found) {
  Checks checks(found.checks);
  if (!checks.note("rollout_scheduled", rollout.state != RolloutState::scheduled,
                   rollout.spec.not_before ? to_rfc3339(*rollout.spec.not_before) : ""))
    return;
  const bool waits = rollout.state == RolloutState::waiting_start || rollout.state == RolloutState::waiting_stage;
  if (!checks.note("waiting_approval", !waits, waits ? stage_name(rollout) : "")) return;
  if (!checks.note("paused", rollout.state != RolloutState::paused)) return;
  if (!checks.note("halted", !is_halted(rollout.state), rollout.reason)) return;
  const auto* stage = rollout.open_stage();
  if (!checks.note("not_in_stage_tags", stage && carries(device, stage->tags), stage ? "" : "no stage is open yet"))
    return;
  const bool full = stage_is_full(rollout, service_.rollouts.counts(rollout.id.number));
  if (!full || !rollout.stage_is_passed()) {
    found.admitted =
        checks.note("stage_full", !full, fmt::format("{} has {} devices", stage_name(rollout), stage->size));
    return;
  }
  const auto opens = service_.wall() + (*rollout.passed_tl + stage_delay(rollout) - service_.now());
  checks.note("stage_delay", false, to_rfc3339(opens));
}

void FleetAdmission::look_by_rollout(const Device& device, const Rollout& rollout, Findings& found) {
  const auto& spec = rollout.spec;
  Checks checks(found.checks);
  found.rollout = &rollout;
  found.version = spec.version;
  if (!checks.note("no_target", comes_from(spec, device.current_version) && fits(device, spec.where),
                   comes_from(spec, device.current_version)
                       ? fmt::format("rollout {} is for other devices (where)", rollout.id.str())
                       : fmt::format("rollout {} is for other versions (only_from)", rollout.id.str())))
    return;
  if (!checks.note("up_to_date", !same_version(device.current_version, spec.version))) return;
  if (!checks.note("ahead", spec.force || !newer_version(device.current_version, spec.version),
                   "runs " + device.current_version))
    return;
  if (!checks.note("blocked", !service_.rollouts.firmware(rollout).blocked)) return;
  const auto member = service_.rows.unit.member(rollout.id.number, device.id);
  auto before = member ? stands_in_the_way(*member) : std::string{};
  if (before.empty()) before = service_.rows.tasks().failed_version(device.id, spec.version);
  if (!checks.note("failed_before", before.empty(), before)) return;
  look_at_stage(device, rollout, found);
}

void FleetAdmission::look_by_target(const Device& device, const Target& target, Findings& found) {
  Checks checks(found.checks);
  found.version = target.version;
  found.by_target = true;
  if (!checks.note("up_to_date", !same_version(device.current_version, target.version))) return;
  if (!checks.note("ahead", !newer_version(device.current_version, target.version), "runs " + device.current_version))
    return;
  const auto* rollout = service_.rollouts.find(target.rollout);
  found.rollout = rollout;
  if (!checks.note("no_target", rollout != nullptr, "the rollout that brought it has ended")) return;
  if (!checks.note("blocked", !service_.rollouts.firmware(*rollout).blocked)) return;
  if (!checks.note("halted", rollout->state == RolloutState::completed, rollout->reason)) return;
  const auto member = service_.rows.unit.member(rollout->id.number, device.id);
  auto before = member ? stands_in_the_way(*member) : std::string{};
  if (before.empty()) before = service_.rows.tasks().failed_version(device.id, target.version);
  found.admitted = checks.note("failed_before", before.empty(), before);
}

bool FleetAdmission::is_settled(const Device& device) const {
  if (device.pinned) return true;
  const auto& runs = device.current_version;
  const auto* rollout = service_.rollouts.open_for(device);
  if (rollout && !same_version(runs, rollout->spec.version)) return false;
  const auto* target = service_.channels.target_for(device);
  return !target || same_version(runs, target->version) || newer_version(runs, target->version);
}

FleetAdmission::Findings FleetAdmission::look(const Device& device, bool present_needed) {
  Findings found;
  Checks checks(found.checks);
  const bool present = device.present_until_tl > service_.now();
  const auto* rollout = service_.rollouts.open_for(device);
  const auto* target = service_.channels.target_for(device);
  if (!checks.note("absent", present || !present_needed,
                   device.last_seen ? "last seen " + to_rfc3339(*device.last_seen) : "never seen"))
    return found;
  if (!checks.note("pinned", !device.pinned)) return found;
  if (!checks.note("wrong_hardware", device.reported_hardware.empty(),
                   device.reported_hardware.empty() ? "" : hardware_differs(device).message))
    return found;
  if (!rollout && !target) {
    checks.note("no_target", false,
                fmt::format("channel {} has nothing for hardware '{}'", device.channel, device.hardware));
    return found;
  }
  const auto common = found.checks;
  if (rollout) look_by_rollout(device, *rollout, found);
  if (found.admitted || !target) return found;
  Findings other;
  other.checks = common;
  look_by_target(device, *target, other);
  // Until its turn comes, the old target holds; why its turn has not come is the better answer where that is done.
  const bool not_for_it = !rollout || found.failed() == "no_target";
  return other.admitted || not_for_it ? other : found;
}

bool FleetAdmission::concerns(const Device& device, const Rollout& rollout) const {
  const auto& spec = rollout.spec;
  if (device.pinned || device.channel != spec.channel) return false;
  if (!rollout.hardware.empty() && device.hardware != rollout.hardware) return false;
  if (same_version(device.current_version, spec.version)) return false;
  if (!spec.force && newer_version(device.current_version, spec.version)) return false;
  return comes_from(spec, device.current_version) && fits(device, spec.where);
}

Result<Task> FleetAdmission::admit(const Device& device, const Rollout& rollout, std::int64_t retry_of) {
  const auto firmware = service_.rows.firmware.find(rollout.firmware_id);
  if (!firmware) return fail(Errc::no_such_firmware, fmt::format("there is no firmware {}", rollout.spec.version));
  const auto grid = fit_grid(firmware->size, kDefaultChunkBytes, device.max_chunk_bytes);
  if (!grid) return image_too_large(device, firmware->version, firmware->size);
  if (auto before = service_.rows.unit.member(rollout.id.number, device.id)) {
    before->rollout = 0;  // the new one takes its place
    service_.lifecycle.save(*before);
    service_.rows.unit.flush();
  }
  auto task = task_for(device, *firmware, *grid);
  task.priority = rollout.spec.priority;
  task.confirm = Confirm::always;
  task.force = rollout.spec.force;
  task.rollout = rollout.id.number;
  task.contact = contact_class(device.gap);
  task.retry_of = retry_of;
  return service_.lifecycle.insert(task, rollout.id.str());
}

void FleetAdmission::on_contact(const std::string& id) {
  const auto device = service_.registry.find(id);
  if (!device) return;
  service_.gate.on_contact(id);
  if (!service_.rollouts.open_for(*device) && !service_.channels.target_for(*device)) return;
  const auto found = look(*device);
  if (!found.admitted) return;
  if (service_.rows.unit.open_of(id, found.version)) return;  // an order brings it already
  if (auto made = admit(*device, *found.rollout); !made)
    log::debug(
        fmt::format("device={} rollout={} can't be admitted: {}", id, found.rollout->id.str(), made.error().message));
}

bool FleetAdmission::walk() {
  const auto walking = service_.rollouts.walking();
  bool more = false;
  for (const auto number : walking)
    if (const auto* rollout = service_.rollouts.find(number)) more |= walk(*rollout);
  return more;
}

bool FleetAdmission::walk(Rollout rollout) {
  const auto number = rollout.id.number;
  int scanned = 0;
  int admitted = 0;
  // From walk_start to the end of the ring, then from its beginning.
  while (rollout.walked < Rollout::kRing && scanned < kScannedAtOnce && admitted < kAdmittedAtOnce) {
    if (stage_is_full(rollout, service_.rollouts.counts(number))) {
      rollout.walked = Rollout::kRing;  // from now on each comes when it is heard
      break;
    }
    const auto place = rollout.walk_start + rollout.walked;
    const bool wrapped = place >= Rollout::kRing;
    const auto from = wrapped ? place - Rollout::kRing : place;
    const auto to = wrapped ? std::uint64_t{rollout.walk_start} : Rollout::kRing;
    const int most = std::min(kScannedAtOnce - scanned, kAdmittedAtOnce - admitted);
    const auto devices = service_.rows.fleet().ring(rollout.spec.channel, from, to, service_.now(), most);
    for (const auto& there : devices)
      if (there.present && admit_from_ring(there, rollout)) ++admitted;
    scanned += static_cast<int>(devices.size());
    const bool all = static_cast<int>(devices.size()) < most;
    rollout.walked += all ? to - from : devices.back().ring + 1 - from;
  }
  service_.rollouts.set_walked(number, rollout.walked);
  return rollout.walked < Rollout::kRing;
}

bool FleetAdmission::admit_from_ring(const storage::RingDevice& there, const Rollout& rollout) {
  if (!rollout.hardware.empty() && there.hardware != rollout.hardware) return false;
  if (same_version(there.version, rollout.spec.version)) return false;
  if (stage_is_full(rollout, service_.rollouts.counts(rollout.id.number))) return false;
  const auto device = service_.registry.find(there.id);
  if (!device) return false;
  const auto found = look(*device);
  if (!found.admitted || !found.rollout || found.rollout->id != rollout.id) return false;
  if (service_.rows.unit.open_of(there.id, found.version)) return false;
  return admit(*device, rollout).has_value();
}

void FleetAdmission::leave(const std::string& device, const std::string& reason) {
  const auto end = [&](Task task) {
    if (task.rollout == 0 || task.state == TaskState::installing) return;
    const bool told = is_active(task.state) || task.offered;
    if (!service_.lifecycle.change(task, TaskEvent::supersede, by_engine(), reason)) return;
    if (told) service_.push(device, CancelAnswer{task.id, CancelReason::cancelled});
  };
  if (auto active = service_.lifecycle.load_active(device)) end(std::move(*active));
  for (auto& task : service_.rows.unit.queued_of(device, kMaxQueuedOfDevice)) end(std::move(task));
}

}  // namespace ota::engine
