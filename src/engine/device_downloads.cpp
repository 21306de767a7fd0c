#include <fmt/format.h>

#include "engine/authentication.hpp"
#include "engine/commands.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
ChunkAccess on_fetch(TaskService& service, const DeviceId& id, const Credentials& who, const TaskId& task_id) {
  auto device = authenticate_device(service, id, who);
  if (!device) return Answer{ErrorAnswer{device.error(), task_id}};
  service.registry.mark_seen(*device);
  auto task = task_of(service, id, task_id);
  if (!task) return Answer{ErrorAnswer{task.error(), task_id}};
  if (task->state == TaskState::queued) {
    service.scheduler.schedule();  // an offer is told, since the grant doesn't say what changed meanwhile
    task = task_of(service, id, task_id);
    if (!task) return Answer{ErrorAnswer{task.error(), task_id}};
  }
  if (holds_slot(task->state)) return ChunkGrant{task->checksum, task->chunk_bytes};
  if (task->state == TaskState::queued) return Answer{service.replies.queued(*task)};
  if (task->state == TaskState::installing) return Answer{service.replies.success(*task)};
  if (task->state == TaskState::staged) return service.gate.hold(*task);
  return Answer{
      refuse(Errc::task_ended,
             fmt::format("task {} is {}: send a request for what comes next", task_id.str(), to_string(task->state)),
             task_id)};
}

Admission on_download(TaskService& service, const DownloadClaim& claim) {
  auto task = service.lifecycle.load(claim.task.number);
  if (!task || task->id != claim.task) return {};
  auto device = service.registry.find(task->device);
  if (const auto& proof = claim.proof) {
    const bool right = device && task->checksum == proof->image && proves(*proof, device->id, device->secret);
    if (!right) return {};
  }
  if (task->state == TaskState::queued) {
    if (device) service.registry.mark_seen(*device);
    service.scheduler.schedule();
    task = service.lifecycle.load(claim.task.number);
  }
  if (is_ended(task->state)) return {Access::ended, 0};
  if (!is_active(task->state)) return {Access::not_now, 0};
  const auto firmware = storage::if_readable([&] { return service.rows.firmware.find(task->firmware_id); });
  return {Access::granted, task->chunk_bytes, firmware ? firmware->signature : std::nullopt};
}

}  // namespace ota::engine
