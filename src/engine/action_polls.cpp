// Polls, and what a device asks about its action.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/action_commands.hpp"
#include "engine/authentication.hpp"
#include "engine/commands.hpp"
#include "engine/confirmation.hpp"

namespace ota::engine {
namespace {

constexpr int kMostLive = 16;          // actions of a device that are looked at
constexpr int kMostEntries = 10'000;   // of a task's log that are looked at for messages
constexpr std::chrono::seconds kSoon{30};

Result<Action> action_of(TaskService& service, const DeviceId& id, ActionId wanted) {
  auto action = service.rows.actions.find(wanted);
  if (action && action->device == id.str()) return std::move(*action);
  return fail(Errc::unknown_task, fmt::format("device {} has no action {}", id.str(), wanted));
}

/// The device's own messages of that attempt, the newest first.
std::vector<std::string> messages_of(TaskService& service, const Action& action, int limit) {
  std::vector<std::string> messages;
  if (limit <= 0) return messages;
  const auto entries = service.rows.transfer_log().list(action.task, 0, kMostEntries);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->kind != "report" || entry->attempt != action.attempt || entry->detail.empty()) continue;
    messages.push_back(entry->detail);
    if (messages.size() == static_cast<std::size_t>(limit)) break;
  }
  return messages;
}

/// Whether the device may see it so now.
Result<void> check(const Action& action, ActionQuery::Of of) {
  const bool finished = action.state == ActionState::finished;
  const bool cancelling = action.state == ActionState::cancelling;
  bool fits = false;
  if (of == ActionQuery::Of::installed) fits = finished;
  if (of == ActionQuery::Of::cancel) fits = cancelling;
  if (of == ActionQuery::Of::install) fits = !cancelling;
  if (!fits)
    return fail(Errc::unknown_task, fmt::format("action {} of device {} {}", action.id, action.device,
                                                cancelling ? "is being cancelled" : "is not in that state"));
  if (of == ActionQuery::Of::install && is_over(action.state))
    return fail(Errc::task_ended, fmt::format("action {} of device {} is over", action.id, action.device));
  return {};
}

/// Polls of a device without tasks need no further look until something changes.
void keep_if_idle(TaskService& service, const Device& device, const PollAnswer& told) {
  const bool idle = !told.install && !told.cancel && !service.rows.unit.active_of(device.id) &&
                    service.rows.unit.queued_of(device.id, 1).empty() && service.admission.is_settled(device);
  if (!idle) return;
  const bool must_prove = service.options().devices.token_required || device.secret;
  service.idle_polls().keep(device, must_prove, told);
}

/// Of the task that the device is shown, with the action.
struct Shown {
  Task task;
  Action action;
};
std::optional<Shown> shown_to(TaskService& service, const DeviceId& id) {
  for (const auto& action : service.rows.actions.live_of(id.str(), kMostLive)) {
    if (action.state == ActionState::cancelling) continue;
    auto task = service.lifecycle.load(action.task);
    if (!task) continue;
    const bool present = is_active(task->state) && task->attempt == action.attempt;
    if (action.state == ActionState::refused || present) return Shown{std::move(*task), action};
  }
  return {};
}

}  // namespace

namespace {

Result<PollAnswer> look_at_poll(TaskService& service, const DeviceId& id, const Credentials& who,
                                std::chrono::seconds interval) {
  DeviceRequest message;
  message.polls = interval;
  const auto answer = on_message(service, id, who, message);
  if (const auto* refused = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr) return refused->error;
  PollAnswer told;
  const auto device = service.registry.find(id.str());
  told.wants_attributes = device && device->wants_attributes;
  told.installed = service.rows.actions.last_finished(id.str());
  for (const auto& action : service.rows.actions.live_of(id.str(), kMostLive)) {
    if (action.state == ActionState::cancelling && !told.cancel) told.cancel = action.id;
    if (action.state == ActionState::refused && !told.install) told.install = action.id;
  }
  if (told.cancel) {
    told.install.reset();
    told.again = kSoon;
    return told;
  }
  if (told.install) return told;
  if (const auto task = service.lifecycle.load_active(id.str())) {
    if (const auto action = service.actions.shown(*task)) told.install = action->id;
    return told;
  }
  const auto* queued = answer ? std::get_if<QueuedAnswer>(&*answer) : nullptr;
  const auto waiting = queued ? service.lifecycle.load(queued->task.number) : std::nullopt;
  if (!waiting) return told;
  if (waiting->wait_reason == WaitReason::slot || waiting->wait_reason == WaitReason::digests)
    told.again = std::chrono::seconds{queued->retry_after_s};
  return told;
}

}  // namespace

Result<PollAnswer> on_poll(TaskService& service, const DeviceId& id, const Credentials& who,
                           std::chrono::seconds interval) {
  auto told = look_at_poll(service, id, who, interval);
  service.scheduler.schedule(id.str());  // what is left to look at would make it forgotten again
  const auto device = told ? service.registry.find(id.str()) : std::nullopt;
  if (device) keep_if_idle(service, *device, *told);
  return told;
}

Result<ActionView> on_find_action(TaskService& service, const DeviceId& id, const Credentials& who,
                                  const ActionQuery& query) {
  auto device = authenticate_device(service, id, who);
  if (!device) return device.error();
  service.registry.mark_seen(*device);
  auto action = action_of(service, id, query.action);
  if (!action) return action.error();
  if (auto fits = check(*action, query.of); !fits) return fits.error();
  auto task = service.lifecycle.load(action->task);
  const auto firmware = task ? service.rows.firmware.find(task->firmware_id) : std::nullopt;
  if (!firmware) return fail(Errc::unknown_task, fmt::format("the firmware of action {} was removed", query.action));
  const bool present = query.of == ActionQuery::Of::install && action->state == ActionState::open;
  if (present && (!is_active(task->state) || task->attempt != action->attempt))
    return fail(Errc::unknown_task, fmt::format("action {} of device {} waits: task {} is {}", action->id, id.str(),
                                                task->id.str(), to_string(task->state)));
  if (present) service.lifecycle.record_activity(*task);
  return ActionView{*action, task->id, *firmware, messages_of(service, *action, query.messages)};
}

Result<Firmware> on_action_firmware(TaskService& service, const DeviceId& id, const Credentials& who,
                                    std::int64_t wanted) {
  auto device = authenticate_device(service, id, who);
  if (!device) return device.error();
  service.registry.mark_seen(*device);
  const auto shown = shown_to(service, id);
  const auto firmware = shown && shown->task.firmware_id == wanted ? service.rows.firmware.find(wanted) : std::nullopt;
  if (firmware) return *firmware;
  return fail(Errc::unknown_task, fmt::format("device {} is shown no action with module {}", id.str(), wanted));
}

Result<ArtifactGrant> on_artifact(TaskService& service, const DeviceId& id, const Credentials& who,
                                  const ArtifactQuery& query) {
  auto firmware = on_action_firmware(service, id, who, query.firmware);
  if (!firmware) return firmware.error();
  auto shown = shown_to(service, id);
  if (query.from_start && shown->action.state == ActionState::open && service.actions.begun_again(shown->task))
    return fail(Errc::unknown_task,
                fmt::format("device {} downloaded the image of task {} again and again: poll for the next action",
                            id.str(), shown->task.id.str()));
  if (!firmware->file) return fail(Errc::unknown_task, "the digests of the file are being computed");
  return ArtifactGrant{shown->task.id, shown->task.checksum, shown->task.chunk_bytes, firmware->file->name};
}

Result<void> on_running(TaskService& service, const DeviceId& id, const Credentials& who, const std::string& version) {
  auto device = authenticate_device(service, id, who);
  if (!device) return device.error();
  service.registry.mark_seen(*device);
  auto active = service.lifecycle.load_active(id.str());
  version_reported(service, *device, active, version);
  service.admission.on_contact(id.str());
  return {};
}

}  // namespace ota::engine
