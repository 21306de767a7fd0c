#include "simulate/player.hpp"

#include <algorithm>
#include <cmath>

namespace ota::simulate {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr Millis kLongest = days{120};
constexpr Millis kPresentGap = minutes{5};  // devices that contact it so often are always online
constexpr double kJitter = 0.1;             // of the gap
// Flapping devices.
constexpr Millis kStays = hours{1};  // on average
constexpr Millis kShortestAway = hours{1};
constexpr Millis kLongestAway = hours{6};
constexpr Millis kKnown = days{30};  // for so long it knows them when the rollout starts
Millis scaled(Millis time, double by) { return Millis{std::llround(static_cast<double>(time.count()) * by)}; }

double ratio(Millis a, Millis b) { return static_cast<double>(a.count()) / static_cast<double>(b.count()); }

}  // namespace

Player::Player(const Fleet& fleet, const Plan& plan, std::uint64_t seed) : fleet_(fleet), plan_(plan), dice_(seed) {
  rollout_.spec = plan.spec;
}

Outcome Player::play() {
  populate();
  settle();
  while (!queue_.empty() && !is_halted(rollout_.state)) {
    const auto event = queue_.top();
    queue_.pop();
    if (event.at > kLongest) break;
    now_ = event.at;
    handle(event);
    settle();
  }
  outcome_.state = rollout_.state;
  outcome_.reason = rollout_.reason;
  if (rollout_.state != RolloutState::completed) outcome_.ended = now_;
  outcome_.healthy = counts_.of(Bucket::healthy);
  outcome_.budget = rollout_.budget;
  return outcome_;
}

void Player::populate() {
  devices_.reserve(static_cast<std::size_t>(fleet_.devices()));
  staged_.resize(fleet_.groups.size());
  fits_.resize(fleet_.groups.size());
  for (std::uint32_t group = 0; group < fleet_.groups.size(); ++group)
    habits_.push_back(fleet_.groups[group].flapping > 0 ? habit(group) : fleet_.groups[group].gap);
  for (std::uint32_t group = 0; group < fleet_.groups.size(); ++group)
    for (std::int64_t i = 0; i < fleet_.groups[group].devices; ++i) {
      const auto id = static_cast<std::uint32_t>(devices_.size());
      devices_.push_back(make_device(group));
      const auto& device = devices_.back();
      if (device.present) order_.push_back(id);
      if (device.present || device.dead) continue;
      const auto part = dice_.unit();
      schedule(scaled(draw_gap(device), part), Kind::contact, id);
    }
  for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[dice_.below(i)]);
}

Device Player::make_device(std::uint32_t group) {
  const auto& its = fleet_.groups[group];
  Device device;
  device.group = group;
  device.dead = dice_.chance(its.dead);
  device.flaps = dice_.chance(its.flapping);
  const auto fate = dice_.unit();
  device.breaks = fate < its.fails_loud + its.fails_silent;
  if (device.breaks) device.acts = fate < its.fails_loud ? Acts::loud : Acts::silent;
  if (dice_.chance(its.lying)) device.acts = device.breaks ? Acts::healthy : Acts::loud;
  device.usual = device.flaps ? habits_[group] : its.gap;
  device.present = !device.dead && !device.flaps && its.gap <= kPresentGap;
  return device;
}

/// The usual gap of the group's flapping devices.
Millis Player::habit(std::uint32_t group) {
  Device device;
  device.group = group;
  device.flaps = true;
  auto usual = group_of(device).gap;
  for (Millis known{0}; known < kKnown;) {
    const auto gap = draw_gap(device);
    usual = next_gap(usual, known, gap);
    known += gap;
  }
  return usual;
}

/// Until its next contact.
Millis Player::draw_gap(const Device& device) {
  const auto gap = group_of(device).gap;
  if (device.flaps && dice_.chance(ratio(gap, kStays))) return dice_.between(kShortestAway, kLongestAway);
  return scaled(gap, 1 - kJitter + 2 * kJitter * dice_.unit());
}

void Player::schedule(Millis after, Kind kind, std::uint32_t device) {
  queue_.push({now_ + after, kind, device, devices_[device].turn, events_++});
}

void Player::handle(const Event& event) {
  if (event.kind == Kind::look) {
    changed_ = true;
    return;
  }
  const auto& device = devices_[event.device];
  // These two are timers of the server, whatever the device does.
  if (event.kind == Kind::soaked && device.bucket == Bucket::soaking) move(event.device, Bucket::overdue);
  if (event.kind == Kind::lost && device.bucket == Bucket::overdue) move(event.device, Bucket::failed);
  if (event.turn != device.turn) return;
  if (event.kind == Kind::gone) leaves(event.device);
  if (event.kind == Kind::contact) contacts(event.device);
  if (event.kind == Kind::verified) verifies(event.device);
  if (event.kind == Kind::report && device.bucket != Bucket::failed) move(event.device, Bucket::failed);
}

void Player::contacts(std::uint32_t id) {
  auto& device = devices_[id];
  if (device.flaps) device.usual = next_gap(device.usual, kKnown, now_ - device.last_contact);
  device.last_contact = now_;
  const bool failed = device.bucket == Bucket::failed;
  if (device.has_task && (device.bucket == Bucket::healthy || (failed && device.acts != Acts::healthy))) return;
  if (!device.present) schedule(draw_gap(device), Kind::contact, id);
  if (!device.has_task) {
    if (may_admit() && fits_[device.group]) admit(id);
  } else if (device.bucket == Bucket::absent) {
    move(id, Bucket::assigned);
    start_download(id);
  } else if (device.bucket == Bucket::staged) {
    if (ask_gate(device) == GateRefusal::none) pass(id);
  } else if (device.acts == Acts::healthy && (failed || device.bucket == Bucket::overdue)) {
    move(id, Bucket::healthy);
  }
}

void Player::start_download(std::uint32_t id) {
  const auto& device = devices_[id];
  const auto takes = scaled(group_of(device).download, 0.5 + dice_.unit());
  if (device.flaps && dice_.chance(1 - std::exp(-ratio(takes, kStays))))
    schedule(scaled(takes, dice_.unit()), Kind::gone, id);
  else
    schedule(takes, Kind::verified, id);
}

void Player::verifies(std::uint32_t id) {
  auto& device = devices_[id];
  if (ask_gate(device) == GateRefusal::none) return pass(id);
  move(id, Bucket::staged);
  device.staged_at = now_;
  if (device.present) staged_[device.group].push_back(id);
}

/// It goes away while it downloads.
void Player::leaves(std::uint32_t id) {
  ++devices_[id].turn;
  move(id, Bucket::absent);
  schedule(dice_.between(kShortestAway, kLongestAway), Kind::contact, id);
}

}  // namespace ota::simulate
