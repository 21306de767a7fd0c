#include <fmt/format.h>

#include "engine/authentication.hpp"
#include "engine/commands.hpp"
#include "engine/confirmation.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

/// The answer to a copy of what ended an earlier attempt.
Answer retry_again(TaskService& service, const Task& task, const char* ended_by) {
  return service.replies.retry(task, task.reason.empty() ? ended_by : task.reason);
}

/// Whether bad news is that which a retry answered already: it is about an earlier attempt or, where the device named
/// none, comes before retry_after_s is over.
bool repeats(const TaskService& service, const Task& task, const std::optional<int>& attempt) {
  if (attempt) return *attempt < task.attempt;
  return task.retry_due && service.now() < *task.retry_due;
}

/// What a device said of chunks. Nothing where there is nothing to answer.
std::optional<Answer> on_chunks(TaskService& service, Task& task, const ProgressReport& message) {
  for (const auto& range : message.chunks)
    if (!task.grid().holds(range))
      return refuse(Errc::bad_chunk_range,
                    fmt::format("task {} has chunks 0 to {}, not {} to {}", task.id.str(), task.grid().count() - 1,
                                range.first, range.last),
                    task.id);
  auto have = service.rows.unit.chunks(task);
  if (!holds_slot(task.state)) {  // it lost its slot, not what it fetched
    if (task.state != TaskState::queued) return {};
    for (const auto& range : message.chunks) message.mismatch ? have.clear(range) : have.set(range);
    service.attempts.set_chunks(task, have);
    service.lifecycle.save(task);
    return {};
  }
  if (!message.mismatch) {
    service.transfers().set_chunks(task.id.number, message.chunks, message.transport);
    service.lifecycle.load(task.id.number);
    return {};
  }
  // A copy from an earlier attempt: those chunks may be good by now.
  if (message.attempt && *message.attempt < task.attempt) return retry_again(service, task, "chunk_mismatch");
  LogEntry entry;
  entry.kind = "mismatch";
  entry.by = "device";
  entry.chunks = message.chunks;
  entry.transport = message.transport;
  service.log(task, std::move(entry));
  service.transports.note_trouble(task.device, LinkTrouble::mismatch);
  service.attempts.chunk_lost(task);
  service.progress.log_run(task);
  for (const auto& range : message.chunks) have.clear(range);
  service.attempts.set_chunks(task, have);
  if (task.state != TaskState::downloading)
    static_cast<void>(service.lifecycle.change(task, TaskEvent::chunk, by_device()));
  if (service.attempts.at_mismatch_limit(task, message.chunks))
    return service.attempts.fail(task, by_device(), "chunk_mismatch");
  service.lifecycle.save(task);
  return service.replies.retry(task, "chunk_mismatch");
}

/// What the device reported of itself; `message.state` is there.
void log_state(TaskService& service, const Task& task, const ProgressReport& message) {
  LogEntry entry;
  entry.kind = "device";
  entry.by = "device";
  entry.event = to_string(*message.state);
  entry.detail = message.reason;
  service.log(task, std::move(entry));
}

std::optional<Answer> on_postponed(TaskService& service, Task& task, const ProgressReport& message) {
  const bool past_download = task.state == TaskState::installing || task.state == TaskState::staged;
  if (task.rollout != 0 && past_download && message.until) return service.gate.postpone(task, *message.until);
  return refuse(Errc::bad_message,
                fmt::format("task {} is {}{}: only the installation of a rollout's update can be postponed",
                            task.id.str(), to_string(task.state), task.rollout == 0 ? ", ordered by an operator" : ""),
                task.id);
}

std::optional<Answer> on_device_state(TaskService& service, Task& task, const ProgressReport& message) {
  log_state(service, task, message);
  switch (*message.state) {
    case DeviceState::downloading:
      if (task.state == TaskState::offered)
        static_cast<void>(service.lifecycle.change(task, TaskEvent::chunk, by_device()));
      return {};
    case DeviceState::installing:
    case DeviceState::rebooting:
      return {};
    case DeviceState::postponed:
      return on_postponed(service, task, message);
    case DeviceState::installed:
    case DeviceState::rolled_back:
    case DeviceState::failed:
      break;
  }
  if (auto told = installation_reported(service, task, *message.state, message.reason)) return told->answer;
  if (*message.state == DeviceState::installed)
    return refuse(Errc::bad_message,
                  fmt::format("task {} is {}: its image was not verified, so it can't be installed", task.id.str(),
                              to_string(task.state)),
                  task.id);
  if (*message.state == DeviceState::rolled_back) return {};
  if (task.state == TaskState::queued) return service.replies.queued(task);
  if (repeats(service, task, message.attempt)) return retry_again(service, task, "device_failed");
  // It waited at the gate with its image, and can't install it: it fetches all of it again.
  if (task.state == TaskState::staged) service.attempts.set_chunks(task, ChunkBitmap{task.grid().count()});
  return service.attempts.fail(task, by_device(), "device_failed", message.reason);
}

/// What is said of a task after it ended.
std::optional<Answer> on_late_report(TaskService& service, Task& task, const ProgressReport& message) {
  const bool of_installation = message.state == DeviceState::installed || message.state == DeviceState::rolled_back ||
                               message.state == DeviceState::failed;
  if (of_installation) {
    auto told = installation_reported(service, task, *message.state, message.reason);
    // Of a task that was cancelled or expired, too: its log has the device's last word.
    if (told || task.state == TaskState::cancelled || task.state == TaskState::expired)
      log_state(service, task, message);
    if (told) return told->answer;
  }
  if (task.state == TaskState::succeeded) return {};  // about an update that others came after
  const bool again = task.state == TaskState::failed && of_installation && message.state != DeviceState::installed;
  auto answer = service.replies.ended(task);
  if (again || !std::holds_alternative<FailedAnswer>(answer)) return answer;
  return refuse(Errc::task_ended, fmt::format("task {} failed: {}", task.id.str(), task.reason), task.id);
}

}  // namespace

std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const ProgressReport& message) {
  auto device = authenticate_device(service, id, who);
  if (!device) return ErrorAnswer{device.error(), message.task};
  device->link.merge(message.link);
  if (message.link.rtt_ms || message.link.rssi || message.link.loss) device->quality.judge(device->link, service.now());
  service.registry.mark_seen(*device);
  auto task = task_of(service, id, message.task);
  if (!task) return ErrorAnswer{task.error(), message.task};
  if (is_ended(task->state)) return on_late_report(service, *task, message);
  service.lifecycle.record_activity(*task);

  if (message.percent) {
    service.transfers().set_percent(task->id.number, *message.percent);
    // A percentage alone says that an attempt began, too.
    if (task->state == TaskState::offered || task->state == TaskState::retry_wait)
      static_cast<void>(service.lifecycle.change(*task, TaskEvent::chunk, by_device()));
  }
  if (!message.chunks.empty())
    if (auto answer = on_chunks(service, *task, message)) return answer;
  service.admission.on_contact(id.str());
  if (!message.state) return {};
  if (auto current = service.lifecycle.load(task->id.number)) return on_device_state(service, *current, message);
  return {};
}

std::optional<Answer> on_message(TaskService& service, const DeviceId& id, const Credentials& who,
                                 const VerifyReport& message) {
  auto device = authenticate_device(service, id, who);
  if (!device) return ErrorAnswer{device.error(), message.task};
  service.registry.mark_seen(*device);
  auto found = task_of(service, id, message.task);
  if (!found) return ErrorAnswer{found.error(), message.task};
  auto& task = *found;
  if (is_ended(task.state)) return service.replies.ended(task);
  if (task.state == TaskState::installing) return service.replies.success(task);
  if (message.attempt && *message.attempt > task.attempt)
    return refuse(Errc::bad_message,
                  fmt::format("task {} is in attempt {}, not {}", task.id.str(), task.attempt, *message.attempt),
                  task.id);
  for (const auto& range : message.bad_chunks.value_or(ChunkRanges{}))
    if (!task.grid().holds(range))
      return refuse(Errc::bad_chunk_range,
                    fmt::format("task {} has chunks 0 to {}", task.id.str(), task.grid().count() - 1), task.id);

  if (message.checksum == task.checksum) {
    // It would hold the device while another of its tasks does: its turn comes after that.
    if (task.rollout == 0 && !service.trust.trusted(task))  // the gate looks at a rollout's
      return service.replies.queued(task);  // it isn't installed on the word of a key that is gone
    const bool queued = task.state == TaskState::queued;
    if (queued && waits_for_confirmation(task, *device) && service.rows.unit.active_of(id.str()))
      return service.replies.queued(task);
    auto answer = image_verified(service, task);
    return answer ? *answer : ErrorAnswer{answer.error(), task.id};
  }
  if (task.state == TaskState::queued) return service.replies.queued(task);
  if (repeats(service, task, message.attempt)) {
    service.lifecycle.record_activity(task);
    return retry_again(service, task, "checksum_mismatch");
  }

  // The device looked: all but the chunks that it calls bad are good; without a word of them none is.
  ChunkBitmap have{task.grid().count()};
  if (message.bad_chunks) {
    have.set({0, have.count() - 1});
    for (const auto& range : *message.bad_chunks) have.clear(range);
  }
  service.progress.log_run(task);
  service.attempts.set_chunks(task, have);
  return service.attempts.fail(task, by_device(), "checksum_mismatch");
}

}  // namespace ota::engine
