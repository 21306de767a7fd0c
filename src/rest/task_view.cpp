#include "rest/task_view.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "rest/explanation.hpp"
#include "rest/json.hpp"

namespace ota::rest {
namespace {

constexpr int kLogPage = 1000;
constexpr int kLogPages = 10;              ///< read at most, for one task's timeline
constexpr std::size_t kMaxTimeline = 500;  ///< the last entries are kept

struct Shown {
  Task task;
  TaskFacts facts;
};

std::vector<LogEntry> timeline_of(storage::ReadView& view, std::int64_t task) {
  std::vector<LogEntry> timeline;
  std::int64_t after = 0;
  for (int page = 0; page < kLogPages; ++page) {
    auto entries = view.log.list(task, after, kLogPage);
    for (auto& entry : entries) {
      after = entry.id;
      if (entry.kind == "created" || entry.kind == "state") timeline.push_back(std::move(entry));
    }
    if (entries.size() < kLogPage) break;
  }
  if (timeline.size() > kMaxTimeline)
    timeline.erase(timeline.begin(), timeline.end() - static_cast<std::ptrdiff_t>(kMaxTimeline));
  return timeline;
}

/// What the sentence about a queued task names.
QueueFacts queue_facts(storage::ReadView& view, const Task& task, const std::optional<Device>& device) {
  QueueFacts facts;
  facts.device = device;
  if (task.state != TaskState::queued) return facts;
  if (task.wait_reason == WaitReason::untrusted)
    facts.firmware = storage::if_readable([&] { return view.firmware.find(task.firmware_id); });
  if (task.wait_reason == WaitReason::slot) facts.before = view.tasks.ready_before(task, kCountedBefore);
  if (task.wait_reason == WaitReason::behind_own) {
    const auto ahead = view.tasks.ready_of(task.device);
    const auto next = storage::if_readable([&] { return ahead ? view.tasks.find(*ahead) : std::nullopt; });
    if (next) facts.ahead = next->id;
  }
  if (task.wait_reason == WaitReason::device_busy)
    if (const auto holder = storage::if_readable([&] { return view.tasks.active_of(task.device); }))
      facts.holder = holder->id;
  return facts;
}

Shown look(storage::ReadView& view, Task task) {
  Shown shown;
  shown.facts.device = storage::if_readable([&] { return view.devices.find(task.device); });
  shown.facts.retry_of = retry_of(view, task);
  shown.facts.timeline = timeline_of(view, task.id.number);
  shown.facts.explanation = explain(task, queue_facts(view, task, shown.facts.device));
  shown.task = std::move(task);
  return shown;
}

http::Reply reply_of(Context& context, const Shown& shown, unsigned status) {
  const auto live = context.engine.transfers().view(shown.task.id.number);
  auto reply = wire::json_reply(status, to_text(task_json(shown.task, shown.facts, live)));
  if (status == 201) add_location(context, reply, "/tasks/" + shown.task.id.str());
  return reply;
}

}  // namespace

Result<TaskId> task_id_of(const Call& call) {
  if (const auto id = TaskId::parse(call.arguments.at(0))) return *id;
  return fail(Errc::unknown_task, "there is no such task: an id looks like OTA_20261122_000001");
}

Result<Task> find_task(storage::ReadView& view, const TaskId& id) {
  auto task = view.tasks.find(id.number);
  if (!task || task->id != id) return fail(Errc::unknown_task, fmt::format("there is no task {}", id.str()));
  return std::move(*task);
}

std::optional<TaskId> retry_of(storage::ReadView& view, const Task& task) {
  if (task.retry_of == 0) return std::nullopt;
  const auto before = view.tasks.find(task.retry_of);
  if (!before) return std::nullopt;
  return before->id;
}

std::optional<engine::TransferView> live_of(const Transfers& transfers, const TaskId& id) {
  const auto found = transfers.find(id.number);
  return found == transfers.end() ? std::nullopt : std::optional{found->second};
}

std::optional<Priority> priority_of(wire::JsonFields& fields) {
  const auto text = fields.text("priority", 4096);
  if (!text) return std::nullopt;
  const auto priority = parse_priority(*text);
  if (!priority) fields.errors().add("priority", wire::unknown_word(*text, priority_names()));
  return priority;
}

Answering show_task(Context& context, TaskId id, unsigned status) {
  std::function<Result<Shown>(storage::ReadView&)> job = [id](storage::ReadView& view) -> Result<Shown> {
    auto task = find_task(view, id);
    if (!task) return task.error();
    return look(view, std::move(*task));
  };
  auto shown = co_await read<Shown>(context.readers, std::move(job));
  if (!shown) co_return shown.error();
  co_return reply_of(context, *shown, status);
}

Answering show_task(Context& context, const Task& task, unsigned status) {
  std::function<Result<Shown>(storage::ReadView&)> job = [task](storage::ReadView& view) -> Result<Shown> {
    return look(view, task);
  };
  auto shown = co_await read<Shown>(context.readers, std::move(job));
  if (shown) co_return reply_of(context, *shown, status);
  Shown bare;
  bare.task = task;
  bare.facts.explanation = explain(bare.task, {});
  co_return reply_of(context, bare, status);
}

}  // namespace ota::rest
