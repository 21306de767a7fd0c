// What operators do with the fleet: channels, rollouts, blocked firmware (docs/fleet.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/audit.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/rollout.hpp"

namespace ota::engine {

template <class T>
using Done = std::function<void(Result<T>)>;

/// `PUT /channels/{name}`: what isn't given stays as it is.
struct ChannelChange {
  std::string name;
  std::optional<Windows> windows;
  std::optional<bool> approval;
  std::optional<std::string> notes;
};
struct PutChannel {
  Channel channel;
  bool created = false;
};

/// `POST /rollouts`.
struct RolloutOrder {
  RolloutSpec spec;
  bool supersede = false;       ///< the rollout that is open there ends first
  std::string idempotency_key;  ///< empty: none
  Digest body_digest{};         ///< with a key: SHA-256 of the request's body
};
struct RolloutOutcome {
  Rollout rollout;
  bool created = false;  ///< false: it is open there already
};

/// What a rollout would do: `POST /rollouts?dry_run=true`.
struct RolloutPlan {
  Rollout rollout;  ///< as it would be created, with the sizes of its stages
  std::int64_t pinned = 0;
  std::int64_t ahead = 0;          ///< run a newer version
  std::int64_t same = 0;           ///< run this version
  std::int64_t failed_before = 0;  ///< failed this version
  std::vector<std::string> warnings;
};

/// `POST /rollouts/{id}/<event>`: pause, resume, advance, finish, cancel, approve, deny, retry.
struct RolloutCommand {
  RolloutId id;
  RolloutEvent event = RolloutEvent::pause;
  std::optional<Share> max_failures;  ///< with resume
  std::string reason;                 ///< with retry: only devices that failed so; empty: any
  std::vector<std::string> devices;   ///< with retry: only these; empty: all
};

/// `PATCH /rollouts/{id}`: what isn't given stays as it is.
struct RolloutChange {
  RolloutId id;
  std::optional<Share> max_failures;
  std::optional<std::optional<std::int64_t>> max_soaking;
  std::optional<int> stage_delay_s;
  std::optional<std::vector<Stage>> stages;  ///< in place of those that have not opened
  std::optional<Priority> priority;
  std::optional<std::optional<WallTime>> expires_at;
  std::optional<bool> ignore_window;
  std::optional<std::string> notes;
};

/// `POST /devices/move`.
struct MoveOrder {
  static constexpr std::size_t kMaxDevices = 1'000;
  std::string channel;
  std::vector<std::string> devices;
  bool dry_run = false;
};
struct Moved {
  std::int64_t moved = 0;
  std::vector<std::string> unknown;
  std::int64_t will_update = 0;  ///< of those moved: they get an update in the new channel
};

/// `GET /devices/{id}/explain`: why the device is or isn't updated.
struct DeviceCheck {
  std::string_view check;
  bool ok = true;
  std::string detail;
};
struct DeviceExplanation {
  std::string device;
  std::string runs;        ///< empty: unknown
  std::string should_run;  ///< empty: nothing
  std::string by;          ///< `rollout RO_… stage 2`, `target`, `order`; empty: nothing
  std::string_view verdict;
  std::string text;
  std::string next;  ///< what happens next; empty: nothing by itself
  std::optional<WallTime> next_at;
  std::vector<DeviceCheck> checks;
};

/// Owned by Engine, with its rules: commands go into its one queue, callbacks run on its thread after the commit.
class FleetControl {
 public:
  virtual ~FleetControl() = default;

  virtual void put_channel(ChannelChange change, Caller caller, Done<PutChannel> done) = 0;
  /// Errc::not_found, Errc::in_use (devices follow it, or it is `default`).
  virtual void remove_channel(std::string name, Caller caller, Done<void> done) = 0;
  /// Errc::not_found.
  virtual void remove_target(std::string channel, std::string hardware, Caller caller, Done<void> done) = 0;
  /// `reason` empty: it is blocked no longer. Errc::not_found.
  virtual void block_firmware(std::int64_t id, std::optional<std::string> reason, Caller caller,
                              Done<Firmware> done) = 0;
  /// At most MoveOrder::kMaxDevices. Errc::not_found (channel), Errc::malformed.
  virtual void move_devices(MoveOrder order, Caller caller, Done<Moved> done) = 0;

  /// What an order has that doesn't say, as the settings say now. Any thread.
  virtual RolloutSpec defaults() const = 0;
  /// Errc::not_found (channel), Errc::no_such_firmware, Errc::malformed, Errc::rollout_active, Errc::downgrade,
  /// Errc::blocked, Errc::key_reused, and those of choosing a firmware.
  virtual void create_rollout(RolloutOrder order, Caller caller, Done<RolloutOutcome> done) = 0;
  /// Changes nothing. The same errors.
  virtual void plan_rollout(RolloutOrder order, Done<RolloutPlan> done) = 0;
  /// Errc::not_found, Errc::wrong_state (the message names the state), Errc::still_halted, Errc::same_person.
  virtual void command(RolloutCommand command, Caller caller, Done<Rollout> done) = 0;
  /// Cancels it and makes one back to the target before it, or to `version`. The errors of both.
  virtual void rollback(RolloutId id, std::optional<std::string> version, Caller caller, Done<Rollout> done) = 0;
  /// Errc::not_found, Errc::wrong_state, Errc::malformed.
  virtual void change_rollout(RolloutChange change, Caller caller, Done<Rollout> done) = 0;

  /// Errc::unknown_device is a verdict here, no error.
  virtual void explain(std::string device, Done<DeviceExplanation> done) = 0;
};

}  // namespace ota::engine
