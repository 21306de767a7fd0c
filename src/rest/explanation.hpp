// Why a task stands where it stands, in a sentence for a person.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ota/base/clock.hpp"
#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"

namespace ota::rest {

/// What stands around a queued task (api.md, rules of the queue).
struct QueueFacts {
  std::optional<Device> device;      ///< nothing: never heard of
  std::optional<TaskId> holder;      ///< another task that has the device
  std::optional<TaskId> ahead;       ///< another task of the device that stands in line for a slot
  std::optional<Firmware> firmware;  ///< its own
  bool ready = false;                ///< stands in line for a slot
  bool image_missing = false;        ///< its file is not in storage.firmware_dir now
  std::int64_t before = 0;           ///< how many are ready and go first
};
inline constexpr std::int64_t kCountedBefore = 1000;  ///< `before` is counted up to here

std::string explain(const Task& task, const QueueFacts& facts, WallTime now);

}  // namespace ota::rest
