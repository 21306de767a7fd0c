// The half of a run that the engine does in earnest.
#include <algorithm>

#include "simulate/player.hpp"

namespace ota::simulate {
namespace {

// A failure is reported so long after the install.
constexpr Millis kSoonest = std::chrono::minutes{1};
constexpr Millis kLatest = std::chrono::minutes{10};

/// Whether a stage with these tags admits the group's devices.
bool fits_stage(const Group& group, const RolloutSpec& spec, const std::map<std::string, std::string>& tags) {
  const auto& from = spec.only_from;
  if (!from.empty() && std::find(from.begin(), from.end(), group.from_version) == from.end()) return false;
  return std::all_of(tags.begin(), tags.end(), [&](const auto& tag) {
    const auto its = group.tags.find(tag.first);
    return its != group.tags.end() && its->second == tag.second;
  });
}

}  // namespace

/// Asks the rules until they have nothing more to say about this moment.
void Player::settle() {
  while (changed_ && !is_halted(rollout_.state)) {
    changed_ = false;
    take_steps();
    admit_present();
    push_staged();
  }
}

void Player::take_steps() {
  for (;;) {
    const auto decision = decide(rollout_, counts_, {}, plan_.limits, now_, wall());
    switch (decision.step) {
      case Step::none:
        if (decision.look_again && decision.look_again != look_) {
          look_ = decision.look_again;
          queue_.push({*look_, Kind::look, 0, 0, events_++});
        }
        return;
      case Step::halt:
        rollout_.before_halt = rollout_.state;
        rollout_.reason = decision.reason;
        return follow(RolloutEvent::brake, Cause::engine);
      case Step::pass_stage:
        rollout_.passed_tl = now_;
        break;
      case Step::ask_approval:
        follow(RolloutEvent::ask_approval, Cause::engine);
        rollout_.approved_stage = next_stage(rollout_, rollout_.total).value_or(rollout_.stage);
        follow(RolloutEvent::approve, Cause::operator_);
        break;
      case Step::open_stage:
        open_next_stage();
        break;
      case Step::complete:
        follow(RolloutEvent::complete, Cause::engine);
        outcome_.ended = now_;
        // Whoever is behind the target is admitted from now on.
        std::fill(fits_.begin(), fits_.end(), !plan_.spec.partial());
        walked_ = 0;
        break;
      case Step::start:
        follow(RolloutEvent::start, Cause::timer);
        break;
      case Step::expire:
        return follow(RolloutEvent::expire, Cause::timer);
    }
  }
}

void Player::open_next_stage() {
  const auto stage = next_stage(rollout_, rollout_.total).value_or(rollout_.stage);
  follow(RolloutEvent::open_stage, Cause::engine);
  const auto& tags = rollout_.spec.stages[static_cast<std::size_t>(stage)].tags;
  for (std::size_t i = 0; i < fits_.size(); ++i) fits_[i] = fits_stage(fleet_.groups[i], rollout_.spec, tags);
  std::int64_t living = 0;
  std::int64_t eligible = 0;
  for (const auto& device : devices_) {
    if (device.dead && now_ > plan_.living) continue;
    ++living;
    const bool out = !device.has_task || device.bucket == Bucket::absent;
    if (out && fits_[device.group]) ++eligible;
  }
  open_stage(rollout_, stage, living, eligible, members_in(counts_.all()) + eligible, now_, wall());
  if (outcome_.budget_at_first == 0) outcome_.budget_at_first = rollout_.budget;
  walked_ = 0;
}

void Player::follow(RolloutEvent event, Cause by) {
  rollout_.state = next_state(rollout_.state, event, by, rollout_.before_halt).value();
  changed_ = true;
}

bool Player::may_admit() const {
  if (rollout_.state == RolloutState::completed) return true;
  return admits(rollout_.state) && rollout_.open_stage() && !stage_is_full(rollout_, counts_);
}

void Player::admit(std::uint32_t id) {
  auto& device = devices_[id];
  device.has_task = true;
  device.contact = contact_class(device.usual);
  counts_.add(membership_of(device), 1);
  changed_ = true;
  start_download(id);
}

void Player::admit_present() {
  for (; walked_ < order_.size() && may_admit(); ++walked_) {
    const auto& device = devices_[order_[walked_]];
    if (!device.has_task && fits_[device.group]) admit(order_[walked_]);
  }
}

GateRefusal Player::ask_gate(const Device& device) const {
  return gate(rollout_, {}, counts_, group_of(device).from_version, contact_class(device.usual));
}

void Player::pass(std::uint32_t id) {
  auto& device = devices_[id];
  counts_.add(membership_of(device), -1);
  device.contact = contact_class(device.usual);
  device.bucket = Bucket::soaking;
  counts_.add(membership_of(device), 1);
  changed_ = true;
  rollout_.news_tl = now_;
  ++outcome_.passed;
  if (device.breaks) ++outcome_.harmed;
  if (counts_.of(Bucket::healthy) == 0)
    outcome_.most_unproven =
        std::max(outcome_.most_unproven, counts_.of(Bucket::soaking) + counts_.of(Bucket::overdue));
  schedule(soak(), Kind::soaked, id);
  schedule(soak() + 3 * usual_gap(device.usual), Kind::lost, id);
  if (device.acts == Acts::silent) ++device.turn;  // no contact any more
  if (device.acts == Acts::loud) schedule(dice_.between(kSoonest, kLatest), Kind::report, id);
  if (device.acts == Acts::healthy && device.present)
    schedule(soak() + dice_.between(Millis{0}, group_of(device).gap), Kind::contact, id);
}

/// To the present devices that wait longest first.
void Player::push_staged() {
  for (;;) {
    std::deque<std::uint32_t>* longest = nullptr;
    for (auto& queue : staged_) {
      if (queue.empty() || ask_gate(devices_[queue.front()]) != GateRefusal::none) continue;
      const auto since = devices_[queue.front()].staged_at;
      if (!longest || since < devices_[longest->front()].staged_at) longest = &queue;
    }
    if (!longest) return;
    const auto id = longest->front();
    longest->pop_front();
    pass(id);
  }
}

void Player::move(std::uint32_t id, Bucket to) {
  auto& device = devices_[id];
  counts_.add(membership_of(device), -1);
  device.bucket = to;
  counts_.add(membership_of(device), 1);
  changed_ = true;
}

Membership Player::membership_of(const Device& device) const {
  return {1, group_of(device).from_version, device.contact, device.bucket};
}

}  // namespace ota::simulate
