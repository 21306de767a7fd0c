// JSON of REST responses (docs/rest.md). Only to_text() returns a text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/active_transfers.hpp"

namespace ota::rest {

using Json = nlohmann::ordered_json;

Json firmware_json(const Firmware& firmware);

/// What the database has about a task besides its row.
struct TaskFacts {
  std::optional<TaskId> retry_of;  ///< the task that it tries again
  std::optional<Device> device;
  std::vector<LogEntry> timeline;  ///< entries of kind `created` and `state`
  std::string explanation;         ///< why it is in its state
};

/// As in a list. `live`: values of the active transfer; without them those of the row are used.
Json task_json(const Task& task, const std::optional<TaskId>& retry_of,
               const std::optional<engine::TransferView>& live);
/// As the response for one task.
Json task_json(const Task& task, const TaskFacts& facts, const std::optional<engine::TransferView>& live);

/// The response to an upgrade: few fields, the same whether the task is new or not.
Json upgrade_json(const Task& task, TaskState status);

Json log_json(const LogEntry& entry);

/// Link quality, what the device reported and what was measured.
Json link_json(const Device& device);

/// `active`: the task that is active on the device.
Json device_json(const Device& device, const std::optional<Task>& active,
                 const std::optional<engine::TransferView>& live);

/// `{"items": […], "next": cursor or null}`.
Json list_json(std::vector<Json> items, const std::optional<std::string>& next);

/// Text that is not UTF-8 is repaired.
std::string to_text(const Json& json);

}  // namespace ota::rest
