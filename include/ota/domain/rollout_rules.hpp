// What a rollout decides: pure functions of its row, its counters and the time (docs/fleet.md, The gate and the
// brakes). The engine carries out what they say, and the simulator plays with the same functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/bucket.hpp"
#include "ota/domain/rollout.hpp"

namespace ota {

/// From the settings: `rollouts.max_failure_rate`, `rollouts.stage_timeout_s`.
struct RolloutLimits {
  Share max_failure_rate{Share::Kind::percent, 500};
  Millis stage_timeout = std::chrono::days{1};
};

/// What is known of its firmware.
struct FirmwareFacts {
  bool blocked = false;
  bool damaged = false;
};

// The budget rule.

/// U: the upper 95 % bound on the share of devices that fail, from what was seen; 1 while nothing was.
double failure_bound(std::int64_t bad, std::int64_t healthy);
/// How many more of these devices may pass the gate now: the largest k with b + (soaking + k) * U <= budget.
std::int64_t room_within(const BucketCounts& counts, std::int64_t budget);

/// Why a device may not pass the gate on account of the rollout; the rules about the device itself (window, consent)
/// are the engine's.
enum class GateRefusal : std::uint8_t { none, paused, halted, approval, not_running, blocked, max_soaking, budget };
/// For a device that comes from `from_version` and contacts the server as `contact` says.
GateRefusal gate(const Rollout& rollout, const FirmwareFacts& firmware, const RolloutCounts& counts,
                 const std::string& from_version, ContactClass contact);
/// How many devices may pass now, whatever they come from.
std::int64_t room(const Rollout& rollout, const RolloutCounts& counts);

/// The stage is full: as many devices are in as its size says.
bool stage_is_full(const Rollout& rollout, const RolloutCounts& counts);

/// The brake that holds now; empty: none. `budget_spent`, `failure_rate`, `stage_failed`, `undeliverable`,
/// `image_damaged`, `blocked`.
std::string_view brake(const Rollout& rollout, const RolloutCounts& counts, const FirmwareFacts& firmware,
                       const RolloutLimits& limits, Millis now);

/// What the rollout does next by itself.
enum class Step : std::uint8_t {
  none,
  start,         ///< `not_before` is reached
  expire,        ///< `expires_at` is reached
  halt,          ///< Decision::reason
  pass_stage,    ///< the present stage is passed
  open_stage,    ///< the next opens
  ask_approval,  ///< the next needs an approval
  complete       ///< the last one is passed
};
struct Decision {
  Step step = Step::none;
  std::string_view reason{};
  std::optional<Millis> look_again{};  ///< with Step::none: when time alone may change it
};
/// `now` is the engine's persistent clock.
Decision decide(const Rollout& rollout, const RolloutCounts& counts, const FirmwareFacts& firmware,
                const RolloutLimits& limits, Millis now, WallTime wall);

/// Between a stage that is passed and the next.
Millis stage_delay(const Rollout& rollout);

/// The index of the stage that opens after the present one: those that are no larger than it are skipped. Stages with
/// other tags are for other devices, whose number isn't known before they open: they are not skipped. Nothing: the present
/// one is the last.
std::optional<int> next_stage(const Rollout& rollout, std::int64_t total);

/// Opens it: sizes and budget from `total`, `eligible`, `living`.
void open_stage(Rollout& rollout, int stage, std::int64_t living, std::int64_t eligible, std::int64_t total, Millis now,
                WallTime wall);

// What a rollout's page says.

enum class WaitingFor : std::uint8_t { nothing, proof, devices, delay, approval, window, slots, start, operator_ };
std::string_view to_string(WaitingFor what);
struct Waiting {
  WaitingFor what = WaitingFor::nothing;
  std::optional<WallTime> until{};
  std::string text{};
};
/// `window_opens`: where its channel's window is closed now; `slots_full`: no slot for a task is free.
struct Surroundings {
  std::optional<WallTime> window_opens{};
  bool window_closed = false;
  bool slots_full = false;
};
Waiting waiting_for(const Rollout& rollout, const RolloutCounts& counts, const Surroundings& around, Millis now,
                    WallTime wall);

}  // namespace ota
