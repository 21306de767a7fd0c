// GET /tasks, GET /tasks/{id}, its log; cancel, retry, priority.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/version.hpp"
#include "rest/explanation.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/list_page.hpp"
#include "rest/query.hpp"
#include "rest/selection.hpp"
#include "rest/task_view.hpp"

namespace ota::rest {
namespace {

constexpr CsvColumn kTaskColumns[] = {
    {"task_id", "/task_id"},       {"state", "/state"},           {"device_id", "/device_id"},
    {"firmware_version", "/firmware_version"}, {"from_version", "/from_version"}, {"priority", "/priority"},
    {"attempt", "/attempt"},       {"reason", "/reason"},         {"detail", "/detail"},
    {"percent", "/progress/percent"}, {"created_at", "/created_at"}, {"updated_at", "/updated_at"},
    {"ended_at", "/ended_at"},     {"created_by", "/created_by"}};
constexpr CsvColumn kLogColumns[] = {{"id", "/id"},         {"at", "/at"},           {"kind", "/kind"},
                                     {"by", "/by"},         {"from", "/from"},       {"to", "/to"},
                                     {"event", "/event"},   {"reason", "/reason"},   {"detail", "/detail"},
                                     {"attempt", "/attempt"}, {"chunks", "/chunks"}, {"bytes", "/bytes"},
                                     {"ms", "/ms"},         {"transport", "/transport"}};

/// `state`, `device_id` and `version` are short for conditions.
void add_filters(QueryFields& query, std::vector<FieldCondition>& conditions) {
  const auto add = [&](std::string_view field, const std::string& value) {
    conditions.push_back(parse_condition(fmt::format("{}={}", field, value), Selects::tasks).value());
  };
  if (const auto state = query.text("state")) {
    if (parse_task_state(*state))
      add("state", *state);
    else
      query.errors().add("state", wire::unknown_word(*state, task_state_names()));
  }
  if (const auto device = query.text("device_id")) {
    if (DeviceId::parse(*device))
      add("id", *device);
    else
      query.errors().add("device_id", kDeviceIdRule);
  }
  if (const auto version = query.text("version")) {
    if (valid_version(*version))
      add("version", *version);
    else
      query.errors().add("version", "is no version (in a query, write + as %2B)");
  }
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
  auto query = QueryFields::parse(
      call.request.query(), {kWhere, "sort", "count", "state", "device_id", "version", "limit", "cursor"}, kWhere);
  if (!query) co_return query.error();
  auto list = selected_list(*query, Selects::tasks, context);
  add_filters(*query, list.selection.conditions);
  call.scope.narrow(list.selection.conditions);
  if (auto checked = query->check(); !checked) co_return checked.error();
  if (list.count) {
    std::function<std::int64_t(storage::ReadView&)> count = [list](auto& view) {
      return view.tasks.count(list.selection);
    };
    co_return co_await answer_count(context, std::move(count));
  }

  std::function<Result<ListPage>(storage::ReadView&)> job = [&context,
                                                             list](storage::ReadView& view) -> Result<ListPage> {
    const auto found = view.tasks.list(list.selection, list.limit, list.after);
    const auto transfers = context.engine.transfers().views();
    ListPage page;
    if (found.next) page.next = cursor_of(Selects::tasks, *found.next);
    for (const auto& task : found.rows)
      page.items.push_back(task_json(task, retry_of(view, task), live_of(transfers, task.id)));
    return page;
  };
  co_return co_await read_list(context, call, kTaskColumns, std::move(job));
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

  std::function<Result<ListPage>(storage::ReadView&)> job = [id = *id,
                                                             page](storage::ReadView& view) -> Result<ListPage> {
    auto task = find_task(view, id);
    if (!task) return task.error();
    return list_page(
        view.log.list(id.number, page.after, page.limit + 1), page.limit, "log",
        [](const LogEntry& entry) { return std::to_string(entry.id); }, log_json);
  };
  co_return co_await read_list(context, call, kLogColumns, std::move(job));
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
