// What a device that only polls reports of its action.
#include <fmt/format.h>

#include <utility>

#include "engine/action_commands.hpp"
#include "engine/authentication.hpp"
#include "engine/confirmation.hpp"
#include "ota/base/text.hpp"

namespace ota::engine {
namespace {

constexpr int kMostReports = 1'000;  // of an action; its end is always taken
constexpr std::size_t kMostDetail = 1'024;

void log_report(TaskService& service, const Task& task, const Action& action, const ActionReport& report) {
  LogEntry entry;
  entry.kind = "report";
  entry.by = "device";
  entry.event = fmt::format("{}{}", report.of_cancel ? "cancel: " : "", to_string(report.execution));
  entry.reason = std::to_string(action.id);
  entry.detail = report.text;
  auto of = task;
  of.attempt = action.attempt;
  service.log(of, std::move(entry));
}

void set_state(TaskService& service, Action& action, ActionState state) {
  action.state = state;
  service.rows.actions.update(action);
}

/// The order to stop is answered: it did, or it goes on.
Result<void> on_cancel_report(TaskService& service, Action& action, const ActionReport& report) {
  if (action.state != ActionState::cancelling)
    return fail(Errc::wrong_state, fmt::format("device {} was not told to stop action {}", action.device, action.id));
  if (report.execution == Execution::closed) set_state(service, action, ActionState::closed);
  if (report.execution == Execution::rejected) set_state(service, action, ActionState::refused);
  service.scheduler.mark_dirty(action.device);
  return {};
}

/// All of the image went out and the device says that it runs it, or doesn't.
void on_installed(TaskService& service, Task& task, Action& action, const ActionReport& report) {
  const bool success = report.finished != Finished::failure;
  set_state(service, action, success ? ActionState::finished : ActionState::closed);
  const auto text = std::string(utf8_prefix(report.text, kMostDetail));
  if (success || task.rollout != 0) {
    installation_reported(service, task, success ? DeviceState::installed : DeviceState::failed, text);
  } else {
    service.attempts.set_chunks(task, ChunkBitmap{task.grid().count()});
    service.attempts.fail(task, by_device(), "device_failed", text);
  }
}

/// It came to an end before all of the image went out.
void on_early_end(TaskService& service, Task& task, Action& action, const ActionReport& report) {
  set_state(service, action, ActionState::closed);
  // SWUpdate says success of what it skipped, too.
  const bool skipped = report.execution == Execution::closed && report.finished != Finished::failure;
  const char* reason = report.execution == Execution::canceled ? "device_cancelled"
                       : skipped                               ? "not_downloaded"
                                                               : "device_failed";
  service.attempts.set_chunks(task, ChunkBitmap{task.grid().count()});
  service.attempts.fail(task, by_device(), reason, std::string(utf8_prefix(report.text, kMostDetail)));
}

void want_attributes(TaskService& service, const std::string& id) {
  auto device = service.registry.find(id);
  if (!device || std::exchange(device->wants_attributes, true)) return;
  service.rows.unit.put(*device);
}

void on_end(TaskService& service, Task& task, Action& action, const ActionReport& report) {
  want_attributes(service, task.device);
  const bool active = is_active(task.state) && task.attempt == action.attempt;
  if (active && action.state == ActionState::open) {
    service.actions.image_sent(task);
    return task.state == TaskState::installing && report.execution == Execution::closed
               ? on_installed(service, task, action, report)
               : on_early_end(service, task, action, report);
  }
  // It was told to stop, or its task ended meanwhile; it may run the version all the same.
  const bool all_sent = task.chunks_have >= task.grid().count();
  const bool success = all_sent && report.execution == Execution::closed && report.finished != Finished::failure;
  set_state(service, action, success ? ActionState::finished : ActionState::closed);
  if (!all_sent) return;
  const auto text = std::string(utf8_prefix(report.text, kMostDetail));
  if (installation_reported(service, task, success ? DeviceState::installed : DeviceState::failed, text)) return;
  auto device = service.registry.find(task.device);
  if (!success || !device) return;
  device->current_version = task.version;
  device->version_confirmed = true;
  service.rows.unit.put(*device);
}

}  // namespace

Result<void> on_action_report(TaskService& service, const DeviceId& id, const Credentials& who,
                              const ActionReport& report) {
  auto device = authenticate_device(service, id, who);
  if (!device) return device.error();
  service.registry.mark_seen(*device);
  auto action = service.rows.actions.find(report.action);
  auto task = action && action->device == id.str() ? service.lifecycle.load(action->task) : std::nullopt;
  if (!task) return fail(Errc::unknown_task, fmt::format("device {} has no action {}", id.str(), report.action));
  if (is_over(action->state))
    return fail(Errc::task_ended, fmt::format("action {} of device {} is over", report.action, id.str()));
  const bool ends = report.execution == Execution::closed || report.execution == Execution::canceled;
  if (action->reports >= kMostReports && !ends)
    return fail(Errc::overloaded,
                fmt::format("device {} sent {} reports about action {} and no end", id.str(), kMostReports, action->id));
  ++action->reports;
  service.rows.actions.update(*action);
  log_report(service, *task, *action, report);
  if (report.of_cancel) return on_cancel_report(service, *action, report);
  if (ends) {
    on_end(service, *task, *action, report);
    service.scheduler.mark_dirty(id.str());
  } else {
    service.lifecycle.record_activity(*task);
    service.actions.still_installing(*task);
  }
  service.admission.on_contact(id.str());
  return {};
}

}  // namespace ota::engine
