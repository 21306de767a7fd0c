#include "engine/device_latest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "engine/commands.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

/// The task's firmware, to be downloaded now.
Answer offer_to_fetch(TaskService& service, const Task& task) {
  auto offer = service.replies.offer(task);
  const auto firmware = storage::if_readable([&] { return service.rows.firmware.find(task.firmware_id); });
  if (firmware && firmware->file) offer.md5 = firmware->file->md5;
  return offer;
}

Answer ask_again(const Task& task, int after_s) { return QueuedAnswer{task.id, 1, std::max(after_s, 1)}; }

/// All of the image went out before. Who comes back without its version did not install it, and may fetch it again.
Answer after_the_image(TaskService& service, Task& task, const LatestQuery& query) {
  if (task.reported || (query.current && same_version(*query.current, task.version)))
    return UpToDateAnswer{task.version};
  if (!query.looks && service.actions.begun_again(task))
    return ask_again(task, service.options().tasks.retry_backoff_s);
  return offer_to_fetch(service, task);
}

Answer of_active(TaskService& service, Task& task, const LatestQuery& query) {
  const auto poll_s = service.options().ddi.poll_s;
  if (task.state == TaskState::installing) return after_the_image(service, task, query);
  if (task.state == TaskState::staged) return ask_again(task, poll_s);  // it has the image, by another protocol
  if (task.state == TaskState::retry_wait && task.retry_due && service.now() < *task.retry_due) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(*task.retry_due - service.now());
    return ask_again(task, static_cast<int>(wait.count()));
  }
  return offer_to_fetch(service, task);
}

}  // namespace

Result<DeviceId> device_that_asks(TaskService& service, const LatestQuery& query, const Credentials& who) {
  if (query.device) return *query.device;
  if (!who.token_digest)
    return fail(Errc::not_authorized, "say which device asks: id=, its own token (Authorization: Bearer) or a client "
                                      "certificate with its id");
  const auto owners = service.rows.devices().with_secret(*who.token_digest);
  auto id = owners.size() == 1 ? DeviceId::parse(owners.front()) : std::nullopt;
  if (id) return std::move(*id);
  return fail(Errc::not_authorized, owners.empty() ? "the token is no device's: send id= too, or have an operator "
                                                     "issue a token (POST /devices/{id}/token)"
                                                   : "several devices have that token: send id= too");
}

Answer on_latest(TaskService& service, const DeviceId& id, const Credentials& who, const LatestQuery& query) {
  const auto poll_s = service.options().ddi.poll_s;
  DeviceRequest message;
  message.hardware = query.hardware;
  message.current_version = query.current;
  message.polls = std::chrono::seconds{poll_s};
  auto answer = on_message(service, id, who, message);
  if (!answer) return UpToDateAnswer{};
  if (std::holds_alternative<ErrorAnswer>(*answer)) return *answer;
  if (auto active = service.lifecycle.load_active(id.str())) {
    // Its chunks' digests are being made: the answer waits for them.
    if (std::holds_alternative<QueuedAnswer>(*answer)) return *answer;
    return of_active(service, *active, query);
  }
  const auto* queued = std::get_if<QueuedAnswer>(&*answer);
  if (!queued) return UpToDateAnswer{};
  // A slot comes free soon; a gate, a window or a time may take long.
  const auto task = service.lifecycle.load(queued->task.number);
  const bool soon = task && (task->wait_reason == WaitReason::slot || task->wait_reason == WaitReason::digests);
  return soon || !task ? *answer : ask_again(*task, poll_s);
}

}  // namespace ota::engine
