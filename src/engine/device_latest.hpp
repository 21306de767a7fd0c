// GET /firmware/latest: a request by a client that only fetches (docs/simple-clients.md).
#pragma once

#include <optional>

#include "engine/task_service.hpp"
#include "ota/engine/latest.hpp"

namespace ota::engine {

/// The device that asks. Errc::not_authorized where its token is no device's, or that of several.
Result<DeviceId> device_that_asks(TaskService& service, const LatestQuery& query, const Credentials& who);

/// An Offer to be downloaded now, QueuedAnswer, UpToDateAnswer, or ErrorAnswer.
Answer on_latest(TaskService& service, const DeviceId& id, const Credentials& who, const LatestQuery& query);

}  // namespace ota::engine
