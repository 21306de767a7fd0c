// The shapes of what operators are answered (api.md, REST). Each answers a whole JSON text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/firmware.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/board.hpp"

namespace ota::rest {

using Json = nlohmann::ordered_json;

Json firmware_json(const Firmware& firmware);

/// What the database knows around a task.
struct TaskFacts {
  std::optional<TaskId> retry_of;  ///< the task that it tries again
  std::optional<Device> device;
  std::vector<LogEntry> timeline;  ///< entries of kind `created` and `state`
  std::string explanation;         ///< why it stands where it stands
};

/// As in a list. `live` are the figures of a transfer under way; without them the row's.
Json task_json(const Task& task, const std::optional<TaskId>& retry_of,
               const std::optional<engine::TransferView>& live);
/// As one task is shown.
Json task_json(const Task& task, const TaskFacts& facts, const std::optional<engine::TransferView>& live);

/// The answer to an upgrade: few fields, the same whether the task is new or not.
Json upgrade_json(const Task& task, TaskState status);

Json log_json(const LogEntry& entry);

/// `active` is the device's task that holds it.
Json device_json(const Device& device, const std::optional<Task>& active,
                 const std::optional<engine::TransferView>& live);

/// `{"items": […], "next": cursor or null}`.
Json list_json(std::vector<Json> items, const std::optional<std::string>& next);

/// Text that is not UTF-8 is repaired.
std::string to_text(const Json& json);

}  // namespace ota::rest
