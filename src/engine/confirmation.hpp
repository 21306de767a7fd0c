// What a device reports about what it is: its hardware, its version, how its last update went (docs/device-protocol.md,
// request and Confirmation).
//
// The device's last update is the task whose image it verified last, or that it confirmed last (Device::last_update).
// Its outcome stays open to the device's own report, also after it ended; that of every earlier task is closed. So:
// - `installed`, or a request with the task's version: `succeeded`, confirmed. Also where it had ended `failed`: the
//   device runs it.
// - `rolled_back`, `failed`: `failed`, with the device's own text as its detail, also where it had ended `succeeded`.
// - a request with a newer version than the task's: no failure, somebody else updated the device. Where it is
//   `installing`, that is superseded.
// - a request with the version that it came from, while it is `installing`: not installed yet, `success` again.
// - a request with any other version, or where it had ended `succeeded` also that one: `failed`, `rolled_back`.
// A device that only ever repeats its old version ends by confirm_timeout. The registry follows what the device says;
// after `rolled_back` or `failed` it falls back to the version before, not confirmed.
#pragma once

#include "engine/task_service.hpp"

namespace ota::engine {

/// The image of `task` is right: it waits for its confirmation or at the gate of its rollout, or ends here. The answer
/// for its device; Errc::wrong_state.
Result<Answer> image_verified(TaskService& service, Task& task);

/// The device runs the task's version and says so: `succeeded`, confirmed.
void confirm(TaskService& service, Task& task);

/// Whether the task would wait for its confirmation once its image is verified.
bool waits_for_confirmation(const Task& task, const Device& device);

/// The device says in a request that it runs `version`: judges its last update and each of its open tasks by that.
/// `device` is as it was before; it is saved with the version. `active` is its active task, and nothing any more where
/// that ended.
void version_reported(TaskService& service, Device& device, std::optional<Task>& active, const std::string& version);

/// The device says in a progress how the installation of `task` went: DeviceState::installed, rolled_back or failed.
/// Nothing where that is a matter of attempts, not of an installation: the image isn't verified yet.
struct InstallReport {
  std::optional<Answer> answer;
};
std::optional<InstallReport> installation_reported(TaskService& service, Task& task, DeviceState state,
                                                   const std::string& text);

/// Ends each open task of the device whose firmware is for other hardware than `hardware`; answers the first of them.
/// What was offered is told that it failed.
std::optional<Task> end_unfit_tasks(TaskService& service, const std::string& device, const std::string& hardware);

}  // namespace ota::engine
