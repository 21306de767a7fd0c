// What devices do that only poll, as clients of hawkBit do: they ask, are shown an action, report how it went
// (docs/hawkbit.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/action.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/engine/active_transfers.hpp"
#include "ota/engine/fleet_control.hpp"

namespace ota::engine {

/// At most one of `install` and `cancel`.
struct PollAnswer {
  std::optional<ActionId> install;
  std::optional<ActionId> cancel;
  std::optional<ActionId> installed;          ///< the last one that it finished
  bool wants_attributes = false;
  std::optional<std::chrono::seconds> again;  ///< it waits for its turn: it should poll again then, not later
};

struct ActionQuery {
  enum class Of : std::uint8_t { install, cancel, installed };
  static constexpr int kMaxMessages = 100;

  ActionId action = 0;
  Of of = Of::install;
  int messages = 0;  ///< of the device, the newest first; at most kMaxMessages
};
struct ActionView {
  Action action;
  TaskId task;
  Firmware firmware;
  std::vector<std::string> messages;
};

/// A file of the firmware that the device is told to install.
struct ArtifactQuery {
  std::int64_t firmware = 0;
  bool from_start = false;  ///< its download begins with the first byte, and is no HEAD
};

/// Owned by Engine, with its rules. Each call is contact with the device. Errc::unknown_device, Errc::not_authorized,
/// Errc::too_many_new as for messages.
class Actions {
 public:
  virtual ~Actions() = default;

  /// The device was told to poll every `interval` and gets its task if it is its turn.
  virtual void poll(DeviceId device, Credentials who, std::chrono::seconds interval, Done<PollAnswer> done) = 0;
  /// Errc::unknown_task: it is another device's, or not as the query says; Errc::task_ended: it is over.
  virtual void find(DeviceId device, Credentials who, ActionQuery query, Done<ActionView> done) = 0;
  /// Errc::unknown_task, Errc::task_ended; Errc::wrong_state: it was not told to stop; Errc::overloaded: more reports
  /// than an action may have.
  virtual void report(DeviceId device, Credentials who, ActionReport report, Done<void> done) = 0;
  /// The firmware of the action that the device is shown. Errc::unknown_task.
  virtual void firmware(DeviceId device, Credentials who, std::int64_t id, Done<Firmware> done) = 0;
  /// The device downloads what is no active transfer (ActiveTransfers::artifact). Errc::unknown_task.
  virtual void artifact(DeviceId device, Credentials who, ArtifactQuery query, Done<ArtifactGrant> done) = 0;
  /// The device says which version it runs.
  virtual void running(DeviceId device, Credentials who, std::string version, Done<void> done) = 0;
};

}  // namespace ota::engine
