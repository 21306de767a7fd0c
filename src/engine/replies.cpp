#include "engine/replies.hpp"

#include <algorithm>
#include <cmath>

#include "engine/commands.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr std::int64_t kCountedPlaces = 1'000;  // a place behind so many is told as the first behind them
constexpr int kAskAgainForDigests = 5;          // s
constexpr double kAskAgainLeast = 15.0;         // s
constexpr double kAskAgainPlace = 0.3;          // s more for each place
constexpr double kAskAgainMost = 0.6;           // of devices.present_s: who waits must stay present

int ceil_seconds(Millis time) { return static_cast<int>(std::max<std::int64_t>(0, (time.count() + 999) / 1'000)); }

}  // namespace

Offer Replies::offer(const Task& task) {
  const auto device = service_.registry.find(task.device);
  return Offer{task.id,
               *DeviceId::parse(task.device),
               task.version,
               task.hardware,
               task.priority,
               task.attempt,
               task.max_attempts,
               task.checksum,
               task.grid(),
               service_.rows.unit.chunks(task).missing(),
               service_.transports.usable(task, device),
               service_.transfers().signature(task.id.number),
               device ? device->max_message_bytes : std::nullopt,
               task.downgrade};
}

RetryAnswer Replies::retry(const Task& task, const std::string& reason) {
  const auto wait = task.retry_due ? *task.retry_due - service_.now() : Millis{0};
  return {offer(task), reason, ceil_seconds(wait)};
}

QueuedAnswer Replies::queued(const Task& task) {
  QueuedAnswer answer{task.id, 1, kAskAgainForDigests};
  // Who has its turn waits for digests alone.
  if (service_.digests.awaited(task) || is_active(task.state)) return answer;
  answer.position = 1 + service_.rows.tasks().ready_before(task, kCountedPlaces);
  const double spread = 0.5 + service_.random().unit();
  const double wait = (kAskAgainLeast + kAskAgainPlace * static_cast<double>(answer.position)) * spread;
  const double most = kAskAgainMost * service_.options().devices.present_s;
  answer.retry_after_s = std::max(1, static_cast<int>(std::lround(std::min(wait, most * (0.75 + spread / 6)))));
  return answer;
}

SuccessAnswer Replies::success(const Task& task) const {
  return {task.id, task.version, task.state == TaskState::installing ? task.confirm_by : std::nullopt};
}

Answer Replies::ended(const Task& task) const {
  switch (task.state) {
    case TaskState::succeeded:
      return success(task);
    case TaskState::failed:
      return FailedAnswer{task.id, task.reason, task.attempt};
    default:
      return ErrorAnswer{fail(Errc::task_ended, "task " + task.id.str() + " is " + std::string(to_string(task.state)) +
                                                    ": send a request for what comes next"),
                         task.id};
  }
}

void keep_within(TaskService& service, const DeviceId& id, std::optional<std::uint32_t> said, Answer& answer) {
  auto* refused = std::get_if<ErrorAnswer>(&answer);
  if (!refused) return;
  const auto device = said ? std::nullopt : service.registry.find(id.str());
  refused->max_message_bytes = device ? device->max_message_bytes : said;
}

}  // namespace ota::engine
