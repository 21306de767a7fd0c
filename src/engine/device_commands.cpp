#include <fmt/format.h>

#include <algorithm>

#include "engine/commands.hpp"
#include "engine/confirmation.hpp"
#include "engine/speaker.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr int kMaxQueuedOfDevice = 1'000;
constexpr Millis kBetweenResumes{10'000};  // a request that is repeated for want of an answer counts once

ErrorAnswer refuse(Errc code, std::string message, std::optional<TaskId> task = {}) {
  return {fail(code, std::move(message)), task};
}

/// Takes over what the device says that it is, but for its version. Where its hardware isn't that of one of its tasks,
/// that task ends and the request is refused: Errc::wrong_hardware.
std::optional<ErrorAnswer> learn(Ledger& ledger, Device& device, const DeviceRequest& message) {
  if (message.transports) device.transports = *message.transports;
  if (message.max_chunk_bytes) device.max_chunk_bytes = message.max_chunk_bytes;
  if (message.max_message_bytes) device.max_message_bytes = message.max_message_bytes;
  if (!message.hardware || *message.hardware == device.hardware) return {};
  const bool contradicts = device.registered && !device.hardware.empty();
  const auto ended = end_unfit_tasks(ledger, device.id, *message.hardware);
  const auto id = ended ? std::optional{ended->id} : std::nullopt;
  if (contradicts)
    return refuse(Errc::wrong_hardware,
                  fmt::format("device {} is registered as {}, but says it is {}: correct the one or the other",
                              device.id, device.hardware, *message.hardware),
                  id);
  device.hardware = *message.hardware;
  if (!ended) return {};
  ledger.heard(device);
  return refuse(Errc::wrong_hardware,
                fmt::format("device {} is a {}; task {} was for {} and ended", device.id, device.hardware,
                            ended->id.str(), ended->hardware),
                id);
}

/// A task at normal priority for the version that a device names; nothing where there is no need.
Result<void> make_task(Ledger& ledger, const Device& device, const std::string& version) {
  auto firmware = choose_firmware(ledger, version, device.hardware);
  if (!firmware)
    return firmware.error().code == Errc::malformed
               ? fail(Errc::wrong_hardware, fmt::format("version {} exists for several hardwares: device {} must say "
                                                        "which it is (hardware)",
                                                        version, device.id))
               : firmware.error();
  // What it asks for once more after it got it is no order of an operator: what the registry believes is enough here.
  if (same_version(device.current_version, version)) return {};
  if (auto fits = check_upgrade(device, version); !fits) return fits.error();
  const auto grid = fit_grid(firmware->size, kDefaultChunkBytes, device.max_chunk_bytes);
  if (!grid) return image_too_large(device, version, firmware->size);
  Task task;
  task.device = device.id;
  task.firmware_id = firmware->id;
  task.version = firmware->version;
  task.hardware = firmware->hardware;
  task.checksum = firmware->checksum;
  task.size = firmware->size;
  task.chunk_bytes = grid->chunk_bytes;
  task.confirm = ledger.default_confirm();
  task.from_version = device.current_version;
  task.unasked = !device.proven();
  if (task.unasked) ledger.forget_ended(device);
  ledger.insert(task, "device");
  return {};
}

/// What the device is told when none of its tasks is active.
Answer waiting_or_up_to_date(Ledger& ledger, const Device& device) {
  const auto queued = ledger.tasks.queued_of(device.id, kMaxQueuedOfDevice);
  if (queued.empty())
    return UpToDateAnswer{device.current_version.empty() ? std::nullopt : std::optional{device.current_version}};
  const auto ready = ledger.tasks.ready_of(device.id);
  const auto next = std::find_if(queued.begin(), queued.end(), [&](const Task& t) { return t.id.number == ready; });
  return ledger.queued_answer(next == queued.end() ? queued.front() : *next);
}

/// The offer of a task that the device has already, in chunks that it can take now.
Answer offer_again(Ledger& ledger, Task& task, const Device& device) {
  const auto follows = ledger.follow_layout(task, device);
  if (!follows) return ErrorAnswer{follows.error(), task.id};
  return *follows ? Answer{ledger.offer(task)} : Answer{ledger.queued_answer(task)};
}

/// Whether bad news is that which a retry answered already: it is about an earlier attempt or, where the device named
/// none, comes before retry_after_s is over.
bool repeats(const Ledger& ledger, const Task& task, const std::optional<int>& attempt) {
  if (attempt) return *attempt < task.attempt;
  return task.retry_due && ledger.now() < *task.retry_due;
}

}  // namespace

std::optional<Answer> on_request(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                 const DeviceRequest& message) {
  auto device = speaker(ledger, id, who);
  if (!device) return ErrorAnswer{device.error(), {}};
  if (auto refused = learn(ledger, *device, message)) return *refused;
  ledger.heard(*device);

  auto active = ledger.load_active(id.str());
  if (message.current_version) version_reported(ledger, *device, active, *message.current_version);
  if (active) {
    if (active->state == TaskState::installing) return ledger.success_answer(*active);
    const bool came_back = active->state == TaskState::downloading && active->chunks_have > 0;
    if (came_back && ledger.now() - device->quality.trouble_at >= kBetweenResumes)
      ledger.note_trouble(id.str(), LinkTrouble::resume);
    ledger.spoke(*active);
    ledger.settle(id.str());  // a security task of its own may come first
    if (auto still = ledger.load_active(id.str())) return offer_again(ledger, *still, *device);
    return waiting_or_up_to_date(ledger, *device);
  }
  if (message.version && !ledger.tasks.open_of(id.str(), *message.version))
    if (auto made = make_task(ledger, *device, *message.version); !made) return ErrorAnswer{made.error(), {}};

  ledger.settle(id.str());
  if (const auto granted = ledger.load_active(id.str())) return ledger.offer(*granted);
  return waiting_or_up_to_date(ledger, *device);
}

namespace {

/// What a device said of chunks. Nothing where there is nothing to answer.
std::optional<Answer> on_chunks(Ledger& ledger, Task& task, const ProgressReport& message) {
  for (const auto& range : message.chunks)
    if (!task.grid().holds(range))
      return refuse(Errc::bad_chunk_range,
                    fmt::format("task {} has chunks 0 to {}, not {} to {}", task.id.str(), task.grid().count() - 1,
                                range.first, range.last),
                    task.id);
  auto have = ledger.chunks(task);
  if (!holds_slot(task.state)) {  // it lost its slot, not what it fetched
    if (task.state != TaskState::queued) return {};
    for (const auto& range : message.chunks) message.mismatch ? have.clear(range) : have.set(range);
    ledger.set_chunks(task, have);
    ledger.save(task);
    return {};
  }
  if (!message.mismatch) {
    ledger.board().set_chunks(task.id.number, message.chunks, message.transport);
    ledger.load(task.id.number);
    return {};
  }
  // A copy from an earlier attempt: those chunks may be good by now.
  if (message.attempt && *message.attempt < task.attempt) return ledger.retry_answer(task, task.reason);
  LogEntry entry;
  entry.kind = "mismatch";
  entry.by = "device";
  entry.chunks = message.chunks;
  entry.transport = message.transport;
  ledger.log(task, std::move(entry));
  ledger.note_trouble(task.device, LinkTrouble::mismatch);
  ledger.note_lost(task);
  ledger.close_run(task);
  for (const auto& range : message.chunks) have.clear(range);
  ledger.set_chunks(task, have);
  if (task.state != TaskState::downloading) static_cast<void>(ledger.change(task, TaskEvent::chunk, by_device()));
  if (ledger.third_mismatch(task.id.number, message.chunks))
    return ledger.spend_attempt(task, by_device(), "chunk_mismatch");
  ledger.save(task);
  return ledger.retry_answer(task, "chunk_mismatch");
}

std::optional<Answer> on_device_state(Ledger& ledger, Task& task, const ProgressReport& message) {
  LogEntry entry;
  entry.kind = "device";
  entry.by = "device";
  entry.event = to_string(*message.state);
  entry.detail = message.reason;
  ledger.log(task, std::move(entry));

  switch (*message.state) {
    case DeviceState::downloading:
      if (task.state == TaskState::offered) static_cast<void>(ledger.change(task, TaskEvent::chunk, by_device()));
      return {};
    case DeviceState::installing:
    case DeviceState::rebooting:
      return {};
    case DeviceState::installed:
    case DeviceState::rolled_back:
    case DeviceState::failed:
      break;
  }
  if (auto told = installation_reported(ledger, task, *message.state, message.reason)) return told->answer;
  if (*message.state == DeviceState::installed)
    return refuse(Errc::bad_message,
                  fmt::format("task {} is {}: its image was not verified, so it can't be installed", task.id.str(),
                              to_string(task.state)),
                  task.id);
  if (*message.state == DeviceState::rolled_back) return {};
  if (task.state == TaskState::queued) return ledger.queued_answer(task);
  if (repeats(ledger, task, message.attempt)) return ledger.retry_answer(task, task.reason);
  task.detail = message.reason;
  return ledger.spend_attempt(task, by_device(), "device_failed");
}

/// What is said of a task after it ended.
std::optional<Answer> on_late_report(Ledger& ledger, Task& task, const ProgressReport& message) {
  const bool of_installation = message.state == DeviceState::installed || message.state == DeviceState::rolled_back ||
                               message.state == DeviceState::failed;
  if (of_installation) {
    if (auto told = installation_reported(ledger, task, *message.state, message.reason)) {
      LogEntry entry;
      entry.kind = "device";
      entry.by = "device";
      entry.event = to_string(*message.state);
      entry.detail = message.reason;
      ledger.log(task, std::move(entry));
      return told->answer;
    }
  }
  if (task.state == TaskState::succeeded) return {};  // about an update that others came after
  const bool again = task.state == TaskState::failed && of_installation && message.state != DeviceState::installed;
  auto answer = ledger.ended_answer(task);
  if (again || !std::holds_alternative<FailedAnswer>(answer)) return answer;
  return refuse(Errc::task_ended, fmt::format("task {} failed: {}", task.id.str(), task.reason), task.id);
}

}  // namespace

std::optional<Answer> on_progress(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                  const ProgressReport& message) {
  auto device = speaker(ledger, id, who);
  if (!device) return ErrorAnswer{device.error(), message.task};
  device->link.merge(message.link);
  if (message.link.rtt_ms || message.link.rssi || message.link.loss) device->quality.judge(device->link, ledger.now());
  ledger.heard(*device);
  auto task = task_of(ledger, id, message.task);
  if (!task) return ErrorAnswer{task.error(), message.task};
  if (is_ended(task->state)) return on_late_report(ledger, *task, message);
  ledger.spoke(*task);

  if (message.percent) {
    ledger.board().set_percent(task->id.number, *message.percent);
    // A percentage alone says that an attempt began, too.
    if (task->state == TaskState::offered || task->state == TaskState::retry_wait)
      static_cast<void>(ledger.change(*task, TaskEvent::chunk, by_device()));
  }
  if (!message.chunks.empty())
    if (auto answer = on_chunks(ledger, *task, message)) return answer;
  if (!message.state) return {};
  if (auto current = ledger.load(task->id.number)) return on_device_state(ledger, *current, message);
  return {};
}

std::optional<Answer> on_verify(Ledger& ledger, const DeviceId& id, const Credentials& who,
                                const VerifyReport& message) {
  auto device = speaker(ledger, id, who);
  if (!device) return ErrorAnswer{device.error(), message.task};
  ledger.heard(*device);
  auto found = task_of(ledger, id, message.task);
  if (!found) return ErrorAnswer{found.error(), message.task};
  auto& task = *found;
  if (is_ended(task.state)) return ledger.ended_answer(task);
  if (task.state == TaskState::installing) return ledger.success_answer(task);
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
    if (!ledger.trusted(task))
      return ledger.queued_answer(task);  // it isn't installed on the word of a key that is gone
    if (task.state == TaskState::queued && waits_for_confirmation(task, *device) && ledger.tasks.active_of(id.str()))
      return ledger.queued_answer(task);
    if (auto done = image_verified(ledger, task); !done) return ErrorAnswer{done.error(), task.id};
    return ledger.success_answer(task);
  }
  if (task.state == TaskState::queued) return ledger.queued_answer(task);
  if (repeats(ledger, task, message.attempt)) {
    ledger.spoke(task);
    return ledger.retry_answer(task, task.reason);
  }

  // The device looked: all but the chunks that it calls bad are good; without a word of them none is.
  ChunkBitmap have{task.grid().count()};
  if (message.bad_chunks) {
    have.set({0, have.count() - 1});
    for (const auto& range : *message.bad_chunks) have.clear(range);
  }
  ledger.close_run(task);
  ledger.set_chunks(task, have);
  return ledger.spend_attempt(task, by_device(), "checksum_mismatch");
}

Result<std::optional<Answer>> on_listen(Ledger& ledger, const DeviceId& id, const Credentials& who) {
  auto device = speaker(ledger, id, who);
  if (!device) return device.error();
  ledger.heard(*device);
  ledger.settle(id.str());
  const auto active = ledger.load_active(id.str());
  if (active && active->state == TaskState::offered) return std::optional<Answer>{ledger.offer(*active)};
  if (active && active->state == TaskState::retry_wait)
    return std::optional<Answer>{ledger.retry_answer(*active, active->reason)};
  return std::optional<Answer>{};
}

ChunkAccess on_fetch(Ledger& ledger, const DeviceId& id, const Credentials& who, const TaskId& task_id) {
  auto device = speaker(ledger, id, who);
  if (!device) return Answer{ErrorAnswer{device.error(), task_id}};
  ledger.heard(*device);
  auto task = task_of(ledger, id, task_id);
  if (!task) return Answer{ErrorAnswer{task.error(), task_id}};
  if (task->state == TaskState::queued) {
    ledger.settle();  // an offer is told, since the grant doesn't say what changed meanwhile
    task = task_of(ledger, id, task_id);
    if (!task) return Answer{ErrorAnswer{task.error(), task_id}};
  }
  if (holds_slot(task->state)) return ChunkGrant{task->checksum, task->chunk_bytes};
  if (task->state == TaskState::queued) return Answer{ledger.queued_answer(*task)};
  if (task->state == TaskState::installing) return Answer{ledger.success_answer(*task)};
  return Answer{
      refuse(Errc::task_ended,
             fmt::format("task {} is {}: send a request for what comes next", task_id.str(), to_string(task->state)),
             task_id)};
}

Admission on_download(Ledger& ledger, const DownloadClaim& claim) {
  auto task = ledger.load(claim.task.number);
  if (!task || task->id != claim.task) return {};
  auto device = ledger.find_device(task->device);
  if (const auto& proof = claim.proof) {
    const bool right = device && task->checksum == proof->image && proves(*proof, device->id, device->secret);
    if (!right) return {};
  }
  if (task->state == TaskState::queued) {
    if (device) ledger.heard(*device);
    ledger.settle();
    task = ledger.load(claim.task.number);
  }
  if (is_ended(task->state)) return {Access::ended, 0};
  if (!is_active(task->state)) return {Access::not_now, 0};
  const auto firmware = ledger.firmware.find(task->firmware_id);
  return {Access::granted, task->chunk_bytes, firmware ? firmware->signature : std::nullopt};
}

}  // namespace ota::engine
