// Who speaks: every word of a device is its own or refused.
#pragma once

#include "engine/task_service.hpp"

namespace ota::engine {

/// The device that speaks: known, or taken in where registration is open; and it is who it says. Errc::unknown_device,
/// Errc::not_authorized.
Result<Device> authenticate_device(TaskService& service, const DeviceId& id, const Credentials& who);

/// The task that a message names, if it is that device's; another's looks like none (Errc::unknown_task).
Result<Task> task_of(TaskService& service, const DeviceId& id, const TaskId& task_id);

}  // namespace ota::engine
