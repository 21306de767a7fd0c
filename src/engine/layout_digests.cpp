#include "engine/layout_digests.hpp"

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr std::size_t kMaxDeferred = 1'000;  // requests that wait for one layout's digests; more are answered `queued`

}  // namespace

void LayoutDigests::prepare(const Task& task, std::function<void(TaskService&, bool)> then) {
  service_.after_commit([this, image = task.checksum, chunk_bytes = task.chunk_bytes, then = std::move(then)] {
    service_.images().prepare(image, chunk_bytes, [later = service_.later(), image, then](const auto& result) {
      if (!result)
        log::warn("image " + to_hex(image) + " has no chunk digests yet: " + result.error().message +
                  "; its tasks are retried in a moment");
      later([then, ready = result.has_value()](TaskService& service) { then(service, ready); });
    });
  });
}

bool LayoutDigests::ready(const Task& task) {
  if (service_.images().find(task.checksum, task.chunk_bytes)) return true;
  const std::pair key{task.checksum, task.chunk_bytes};
  auto& awaiting = awaited_[key];
  const bool first = awaiting.devices.empty();
  awaiting.devices.insert(task.device);
  if (!first) return false;
  prepare(task, [key](TaskService& service, bool ready) {
    const auto found = service.digests.awaited_.extract(key);
    if (found.empty()) return;
    for (const auto& request : found.mapped().requests) request(service);
    if (!ready) return;
    for (const auto& device : found.mapped().devices) service.scheduler.mark_dirty(device);
  });
  return false;
}

bool LayoutDigests::awaited(const Task& task) const {
  const auto found = awaited_.find({task.checksum, task.chunk_bytes});
  return found != awaited_.end() && found->second.devices.contains(task.device);
}

bool LayoutDigests::defer(const std::string& device, std::function<void(TaskService&)> request) {
  for (auto& [key, awaiting] : awaited_) {
    if (!awaiting.devices.contains(device) || awaiting.requests.size() >= kMaxDeferred) continue;
    awaiting.requests.push_back(std::move(request));
    return true;
  }
  return false;
}

}  // namespace ota::engine
