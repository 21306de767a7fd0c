// GET /tasks, GET /tasks/{id}, its log; cancel, retry, priority.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/version.hpp"
#include "rest/explanation.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/page_text.hpp"
#include "rest/query.hpp"
#include "rest/task_view.hpp"

namespace ota::rest {
namespace {

storage::TaskFilter filter_of(QueryFields& query) {
  storage::TaskFilter filter;
  if (const auto state = query.text("state")) {
    filter.state = parse_task_state(*state);
    if (!filter.state) query.errors().add("state", wire::unknown_word(*state, task_state_names()));
  }
  filter.device = query.text("device_id");
  if (filter.device && !DeviceId::parse(*filter.device)) query.errors().add("device_id", kDeviceIdRule);
  filter.version = query.text("version");
  if (filter.version && !valid_version(*filter.version))
    query.errors().add("version", "is no version (in a query, write + as %2B)");
  return filter;
}

using TaskCommand = void (engine::Engine::*)(TaskId, Caller, engine::Done<Task>);

/// Answers the changed or new task with that status.
Answering change_task(Context& context, Call& call, TaskCommand change, unsigned status) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = task_id_of(call);
  if (!id) co_return id.error();
  std::function<void(engine::Done<Task>)> start = [&context, change, id = *id, caller = call.caller()](auto done) {
    (context.engine.*change)(id, caller, std::move(done));
  };
  auto task = co_await command<Task>(std::move(start));
  if (!task) co_return task.error();
  co_return co_await show_task(context, *task, status);
}

}  // namespace

Answering list_tasks(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"state", "device_id", "version", "limit", "cursor"});
  if (!query) co_return query.error();
  const auto filter = filter_of(*query);
  const auto page = number_page_of(*query, "tasks");
  if (auto checked = query->check(); !checked) co_return checked.error();

  std::function<Result<std::string>(storage::ReadView&)> job = [&context, filter,
                                                                page](storage::ReadView& view) -> Result<std::string> {
    auto tasks = view.tasks.list(filter, page.after, page.limit + 1);
    const auto transfers = context.engine.transfers().views();
    return page_text(
        std::move(tasks), page.limit, "tasks", [](const Task& task) { return std::to_string(task.id.number); },
        [&](const Task& task) { return task_json(task, retry_of(view, task), live_of(transfers, task.id)); });
  };
  co_return co_await read_text(context, std::move(job));
}

Answering get_task(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = task_id_of(call);
  if (!id) co_return id.error();
  co_return co_await show_task(context, *id, 200);
}

Answering get_task_log(Context& context, Call& call) {
  auto query = QueryFields::parse(call.request.query(), {"limit", "cursor"});
  if (!query) co_return query.error();
  const auto page = number_page_of(*query, "log");
  if (auto checked = query->check(); !checked) co_return checked.error();
  const auto id = task_id_of(call);
  if (!id) co_return id.error();

  std::function<Result<std::string>(storage::ReadView&)> job = [id = *id,
                                                                page](storage::ReadView& view) -> Result<std::string> {
    auto task = find_task(view, id);
    if (!task) return task.error();
    return page_text(
        view.log.list(id.number, page.after, page.limit + 1), page.limit, "log",
        [](const LogEntry& entry) { return std::to_string(entry.id); }, log_json);
  };
  co_return co_await read_text(context, std::move(job));
}

Answering cancel_task(Context& context, Call& call) { return change_task(context, call, &engine::Engine::cancel, 200); }

Answering retry_task(Context& context, Call& call) { return change_task(context, call, &engine::Engine::retry, 201); }

Answering patch_task(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  if (auto json = require_json(call); !json) co_return json.error();
  const auto id = task_id_of(call);
  if (!id) co_return id.error();
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  auto fields = wire::JsonFields::parse(*body, Errc::malformed);
  if (!fields) co_return fields.error();
  fields->require("priority");
  fields->refuse_unknown({"priority"});
  const auto priority = priority_of(*fields);
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();

  std::function<void(engine::Done<Task>)> start = [&context, id = *id, priority = *priority,
                                                   caller = call.caller()](auto done) {
    context.engine.set_priority(id, priority, caller, std::move(done));
  };
  auto task = co_await command<Task>(std::move(start));
  if (!task) co_return task.error();
  co_return co_await show_task(context, *task, 200);
}

}  // namespace ota::rest
