// One task as operators see it, with everything that the database has about it.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>

#include "ota/domain/task.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/context.hpp"

namespace ota::rest {

/// The id in the path; Errc::unknown_task if it is not a task id.
Result<TaskId> task_id_of(const Call& call);

/// Errc::unknown_task, also if the number exists with another day.
Result<Task> find_task(storage::ReadView& view, const TaskId& id);

/// The task that it retries, if there is one.
std::optional<TaskId> retry_of(storage::ReadView& view, const Task& task);

/// Of ActiveTransfers::views(), which is asked once for a whole list.
using Transfers = std::unordered_map<std::int64_t, engine::TransferView>;
std::optional<engine::TransferView> live_of(const Transfers& transfers, const TaskId& id);

/// A `priority` field; adds an error if it is not a priority.
std::optional<Priority> priority_of(wire::JsonFields& fields);

/// The complete JSON of a task, with `Location` if the status is 201. Precondition: `task` outlives the coroutine. If
/// the database can't be read, the response contains only what `task` has, because the engine has already done what was
/// requested.
Answering show_task(Context& context, TaskId id, unsigned status);
Answering show_task(Context& context, const Task& task, unsigned status);

}  // namespace ota::rest
