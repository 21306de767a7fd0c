// A rollout: one firmware for a channel's devices, stage by stage (docs/fleet.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/priority.hpp"
#include "ota/domain/rollout_state.hpp"
#include "ota/domain/window.hpp"

namespace ota {

/// A number of devices: `canary`, `40`, or a share of all: `25%`, `0.5%`.
struct Share {
  enum class Kind : std::uint8_t { canary, count, percent };
  Kind kind = Kind::percent;
  std::int64_t value = 10'000;  ///< devices, or hundredths of a percent: 1 to 10,000

  static std::optional<Share> parse(std::string_view text);  ///< as to_string() writes it
  bool is_all() const { return kind == Kind::percent && value == 10'000; }
  bool operator==(const Share&) const = default;
};
std::string to_string(const Share& share);

/// How many of `total` devices a stage of that size admits, at least 1: shares are rounded up, a canary stage is the
/// lesser of 10 devices and 1 %.
std::int64_t stage_size(const Share& share, std::int64_t total);
/// The failure budget of that size: shares are rounded down, at least 1.
std::int64_t budget_size(const Share& share, std::int64_t total);

struct Stage {
  Share to;                                 ///< of all devices of the rollout, cumulative
  std::map<std::string, std::string> tags;  ///< it admits only devices that carry all of them
  std::optional<int> delay_s;               ///< after it is passed; nothing: the rollout's stage_delay_s
  bool approve = false;                     ///< a second person must approve that it opens

  // Once it opened.
  std::int64_t size = 0;
  std::optional<WallTime> opened_at;
  std::optional<WallTime> passed_at;
  bool skipped = false;  ///< it was no larger than the one before
};

inline constexpr std::size_t kMaxStages = 20;

/// What an operator asks for; docs/fleet.md, POST /rollouts.
struct RolloutSpec {
  std::string channel;
  std::string version;
  std::optional<std::string> hardware;  ///< needed where the version exists for several
  std::vector<Stage> stages;
  Share max_failures{Share::Kind::percent, 100};
  std::optional<std::int64_t> max_soaking;
  int soak_s = 1'800;
  int stage_delay_s = 3'600;
  std::vector<std::string> only_from;  ///< versions that devices must come from; empty: any
  std::vector<std::string> where;      ///< conditions that devices must meet (domain/selection.hpp)
  Priority priority = Priority::normal;
  std::optional<WallTime> not_before;
  std::optional<WallTime> expires_at;
  bool ignore_window = false;
  int postpone_s = 604'800;  ///< how long a device may postpone; 0: not at all
  bool force = false;        ///< also devices that run a newer version
  std::string notes;

  /// It doesn't make its version the target of the channel.
  bool partial() const { return !where.empty(); }
};

/// Adds the last stage where it is missing. Errc::malformed with the fields: more than kMaxStages, stages that shrink,
/// numbers out of range, `expires_at` not after `not_before`.
Result<void> check_and_complete(RolloutSpec& spec);

/// `RO_<UTC day>_<number, at least six digits>`.
struct RolloutId {
  std::int32_t day = 0;
  std::int64_t number = 0;  ///< from 1; unique for ever

  static std::optional<RolloutId> parse(std::string_view text);
  std::string str() const;
  auto operator<=>(const RolloutId&) const = default;
};

/// Times ending in `_tl` are times of the engine's persistent clock.
struct Rollout {
  RolloutId id;
  RolloutSpec spec;
  std::string hardware;  ///< of its firmware; empty: any
  std::int64_t firmware_id = 0;
  std::string replaces;               ///< the target's version before it; empty: none
  std::int64_t replaces_rollout = 0;  ///< that brought it

  RolloutState state = RolloutState::running;
  RolloutState before_halt = RolloutState::running;
  std::string reason;  ///< why it is halted or ended
  std::string created_by;
  std::string approved_by;
  WallTime created{};
  std::optional<WallTime> started;
  std::optional<WallTime> ended;

  int stage = -1;  ///< that is open, or was opened last; from 0; -1: none yet
  std::int64_t living = 0;
  std::int64_t eligible = 0;
  std::int64_t total = 0;   ///< N: devices in and eligible when the stage opened
  std::int64_t budget = 0;  ///< B, of that
  std::optional<Millis> opened_tl;
  std::optional<Millis> passed_tl;
  bool delay_over = false;        ///< an operator advanced it
  int approved_stage = -1;        ///< the last stage whose opening was approved
  std::optional<Millis> news_tl;  ///< a device passed the gate, or became healthy
  std::uint32_t walk_start = 0;   ///< drawn for the rollout: where it begins to go round the ring of devices
  std::uint64_t walked = kRing;   ///< how far it has gone since its stage opened; kRing: all round

  static constexpr std::uint64_t kRing = 1ull << 32;

  bool stage_is_passed() const { return passed_tl.has_value(); }
  const Stage* open_stage() const {
    return stage >= 0 && static_cast<std::size_t>(stage) < spec.stages.size()
               ? &spec.stages[static_cast<std::size_t>(stage)]
               : nullptr;
  }
  bool is_last_stage() const { return stage + 1 >= static_cast<int>(spec.stages.size()); }
};

/// A channel: docs/fleet.md, Terms.
struct Channel {
  std::string name;
  Windows windows;  ///< in which its devices may install; none: always
  bool approval = false;
  std::string notes;
};

/// The version that a channel's devices of a hardware type should run.
struct Target {
  std::string channel;
  std::string hardware;  ///< empty: any
  std::string version;
  std::int64_t rollout = 0;  ///< that brought it
};

}  // namespace ota
