// Why a task is in its state, as a sentence for operators.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"

namespace ota::rest {

/// The facts that a queued task's explanation needs, beside its wait_reason.
struct QueueFacts {
  std::optional<Device> device;      ///< nothing: the device is unknown
  std::optional<TaskId> holder;      ///< another task that is active on the device
  std::optional<TaskId> ahead;       ///< another task of the device that is ready for a slot
  std::optional<Firmware> firmware;  ///< the task's firmware
  std::int64_t before = 0;           ///< number of ready tasks that go first
};
inline constexpr std::int64_t kCountedBefore = 1000;  ///< `before` is counted up to here

std::string explain(const Task& task, const QueueFacts& facts);

}  // namespace ota::rest
