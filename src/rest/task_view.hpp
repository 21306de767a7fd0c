// One task as operators see it, with what the database knows around it.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "ota/domain/task.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// The id in the path; Errc::unknown_task for what is no id.
Result<TaskId> task_id_of(const Call& call);

/// Errc::unknown_task, also where the number exists under another day.
Result<Task> find_task(storage::ReadView& view, const TaskId& id);

/// The task that it tries again, if there is one.
std::optional<TaskId> retry_of(storage::ReadView& view, const Task& task);

/// Of TransferBoard::views(), which is asked once for a whole list.
using Transfers = std::unordered_map<std::int64_t, engine::TransferView>;
std::optional<engine::TransferView> live_of(const Transfers& transfers, const TaskId& id);

/// A `priority` field; an error of the field where it is no priority.
std::optional<Priority> priority_of(wire::JsonFields& fields);

/// The whole JSON of a task, with `Location` where it is 201. `task` lives until the answer is there. For a task that
/// an engine's answer brought: where the database can't be read now, the answer goes out without what stands around it,
/// for the deed is done.
Answering show_task(Context& context, TaskId id, unsigned status);
Answering show_task(Context& context, const Task& task, unsigned status);

}  // namespace ota::rest
