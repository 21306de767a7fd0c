// What a rollout waits for, in words.
#include <fmt/format.h>

#include <array>

#include "ota/domain/rollout_rules.hpp"

namespace ota {
namespace {

constexpr std::array<std::string_view, 9> kWaitingNames{"",       "proof", "devices", "delay",   "approval",
                                                        "window", "slots", "start",   "operator"};

std::string some_devices(std::int64_t n) { return n == 1 ? "1 device" : fmt::format("{} devices", n); }

std::string why_halted(const Rollout& rollout, const BucketCounts& all) {
  const auto failed = at(all, Bucket::failed);
  if (rollout.reason == "budget_spent")
    return fmt::format("{} failed, and the failure budget is {}", some_devices(failed), rollout.budget);
  if (rollout.reason == "failure_rate")
    return fmt::format("{} of the {} that installed it failed", failed, some_devices(past_gate(all)));
  if (rollout.reason == "stage_failed")
    return fmt::format("{} of the {} in stage {} are healthy, fewer than 90 %", at(all, Bucket::healthy),
                       some_devices(members_in(all)), rollout.stage + 1);
  if (rollout.reason == "undeliverable")
    return fmt::format("{} could not get the image", some_devices(at(all, Bucket::undelivered)));
  if (rollout.reason == "image_damaged") return "the stored image is corrupt; upload it again";
  return "an operator blocked the firmware";
}

Waiting waiting_in_stage(const Rollout& rollout, const RolloutCounts& counts, const Surroundings& around) {
  const auto& all = counts.all();
  const auto size = rollout.open_stage()->size;
  const auto needed = (size * 9 + 9) / 10;
  const auto have = fmt::format("{} of {} are needed, {} {}", needed, size, at(all, Bucket::healthy),
                                at(all, Bucket::healthy) == 1 ? "has" : "have");
  const auto past = at(all, Bucket::soaking) + at(all, Bucket::overdue);
  if (past > 0)
    return {WaitingFor::proof,
            {},
            fmt::format("{} {} to prove {}: {}", some_devices(past), past == 1 ? "has" : "have",
                        past == 1 ? "itself" : "themselves", have)};
  if (const auto staged = at(all, Bucket::staged); staged > 0 && around.window_closed)
    return {WaitingFor::window, around.window_opens,
            fmt::format("{} with the image wait for the maintenance window", some_devices(staged))};
  if (const auto assigned = at(all, Bucket::assigned) + at(all, Bucket::staged); assigned > 0) {
    if (around.slots_full)
      return {WaitingFor::slots, {}, fmt::format("{} wait for a free slot (tasks.max_active)", some_devices(assigned))};
    return {WaitingFor::proof,
            {},
            fmt::format("{} {} the update: {}", some_devices(assigned), assigned == 1 ? "gets" : "get", have)};
  }
  return {WaitingFor::devices,
          {},
          fmt::format("no device that may have it is present: {} of {} are in this stage, {} absent", members_in(all),
                      size, at(all, Bucket::absent))};
}

}  // namespace

std::string_view to_string(WaitingFor what) { return kWaitingNames.at(static_cast<std::size_t>(what)); }

Waiting waiting_for(const Rollout& rollout, const RolloutCounts& counts, const Surroundings& around, Millis now,
                    WallTime wall) {
  switch (rollout.state) {
    case RolloutState::waiting_start:
      return {WaitingFor::approval, {}, "a second person has to approve the rollout"};
    case RolloutState::waiting_stage:
      return {WaitingFor::approval,
              {},
              fmt::format("a second person has to approve stage {}",
                          next_stage(rollout, rollout.total).value_or(rollout.stage + 1) + 1)};
    case RolloutState::scheduled:
      return {WaitingFor::start, rollout.spec.not_before, "it starts at its not_before"};
    case RolloutState::paused:
      return {WaitingFor::operator_, {}, "an operator paused it"};
    case RolloutState::halted:
    case RolloutState::halted_target:
      return {WaitingFor::operator_,
              {},
              fmt::format("halted by itself ({}): {}", rollout.reason, why_halted(rollout, counts.all()))};
    case RolloutState::running:
      break;
    default:
      return {};
  }
  if (!rollout.open_stage()) return {WaitingFor::start, {}, "its first stage opens"};
  if (!rollout.stage_is_passed()) return waiting_in_stage(rollout, counts, around);
  const auto opens = wall + (*rollout.passed_tl + stage_delay(rollout) - now);
  return {WaitingFor::delay, opens,
          fmt::format("stage {} is passed; the next opens after its delay", rollout.stage + 1)};
}

}  // namespace ota
