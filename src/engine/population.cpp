// How many devices a rollout is for: from the counters of the fleet, without a look at the devices.
#include <fmt/format.h>

#include <algorithm>

#include "engine/task_service.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {

bool comes_from(const RolloutSpec& spec, const std::string& version) {
  if (spec.only_from.empty()) return true;
  return std::any_of(spec.only_from.begin(), spec.only_from.end(),
                     [&](const std::string& from) { return same_version(from, version); });
}

std::int64_t FleetAdmission::first_living_day() const {
  const auto since = service_.wall() - std::chrono::days{service_.options().fleet.living_days};
  return std::chrono::floor<std::chrono::days>(since).time_since_epoch().count();
}

FleetAdmission::Population FleetAdmission::population(const Rollout& rollout, int stage) {
  const auto& spec = rollout.spec;
  Population found;
  const auto takes = [&](const storage::FleetCount& count) {
    Device device;
    device.channel = spec.channel;
    device.hardware = count.hardware;
    if (!rollout.hardware.empty()) return count.hardware == rollout.hardware;
    // One for any hardware leaves those alone that have their own.
    const auto* target = service_.channels.target_for(device);
    const auto* open = count.hardware.empty() ? nullptr : service_.rollouts.open_in(spec.channel, count.hardware);
    return !open && (!target || target->hardware.empty());
  };
  for (const auto& count : service_.rows.fleet().counts(spec.channel, first_living_day())) {
    if (!takes(count)) continue;
    found.living += count.living;
    if (count.pinned)
      found.pinned += count.living;
    else if (same_version(count.version, spec.version))
      found.same += count.living;
    else if (!spec.force && newer_version(count.version, spec.version))
      found.ahead += count.living;
    else if (comes_from(spec, count.version))
      found.eligible += count.living;
  }
  const auto all = rollout.id.number == 0 ? BucketCounts{} : service_.rollouts.counts(rollout.id.number).all();
  found.failed_before = service_.rows.rollouts().failed_elsewhere(rollout);
  // Those who are in and don't run the version yet count among those who run an older one.
  const auto members = at(all, Bucket::assigned) + at(all, Bucket::absent) + at(all, Bucket::staged) +
                       at(all, Bucket::soaking) + at(all, Bucket::overdue) + at(all, Bucket::failed) +
                       at(all, Bucket::undelivered);
  found.eligible = std::max<std::int64_t>(0, found.eligible - members - found.failed_before);
  const auto* tags = stage >= 0 && static_cast<std::size_t>(stage) < spec.stages.size()
                         ? &spec.stages[static_cast<std::size_t>(stage)].tags
                         : nullptr;
  if (spec.partial() || (tags && !tags->empty()))
    found.eligible = std::min(found.eligible, count_fitting(rollout, tags));
  found.total = members_in(all) + found.eligible;
  return found;
}

/// Only for rollouts and stages that select by conditions or tags: no counter knows those.
std::int64_t FleetAdmission::count_fitting(const Rollout& rollout, const std::map<std::string, std::string>* tags) {
  const auto& spec = rollout.spec;
  const auto since = service_.wall() - std::chrono::days{service_.options().fleet.living_days};
  auto texts = spec.where;
  texts.push_back("channel=" + spec.channel);
  texts.push_back("last_seen>=" + to_rfc3339(since));
  if (!rollout.hardware.empty()) texts.push_back("hardware=" + rollout.hardware);
  for (const auto& [name, value] : tags ? *tags : std::map<std::string, std::string>{})
    texts.push_back(fmt::format("tag.{}={}", name, value));
  std::vector<std::string> versions;
  for (const auto& from : spec.only_from) versions.push_back("version=" + from);
  if (versions.empty() && spec.force) versions.push_back("version!=" + spec.version);
  if (versions.empty()) versions = {"version<" + spec.version, "version=unknown"};
  storage::Selection selection;
  selection.presence = service_.presence();
  for (const auto& text : texts)
    if (auto condition = parse_condition(text, Selects::devices)) selection.conditions.push_back(std::move(*condition));
  std::int64_t fitting = 0;
  for (const auto& version : versions) {
    auto of_version = selection;
    if (auto condition = parse_condition(version, Selects::devices))
      of_version.conditions.push_back(std::move(*condition));
    fitting += service_.rows.devices().count(of_version);
  }
  return fitting;
}

}  // namespace ota::engine
