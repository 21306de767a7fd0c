#include "engine/scheduler.hpp"

#include <algorithm>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kRiseAfter = std::chrono::hours{1};  // a task that waited so long counts one class higher
constexpr int kTimersAtOnce = 500;
// Who waits for an image's chunk digests is looked at again after so long, should their making be lost in a crash.
constexpr Millis kLayoutRetry{10'000};

}  // namespace

Priority Scheduler::effective_priority(const Task& task) const {
  return service_.now() - task.queued_at_tl >= kRiseAfter ? risen(task.priority) : task.priority;
}

std::tuple<bool, Priority, std::int64_t> Scheduler::rank(const Task& task) const {
  return {task.unasked, effective_priority(task), task.id.number};
}

/// Beside the task the device's row says so, which must be there.
void Scheduler::enqueue(std::int64_t task) {
  service_.registry.flush();
  service_.rows.tasks.set_ready(task, true);
}

std::optional<Task> Scheduler::best_of(const std::string& id) {
  std::optional<Task> best;
  for (auto& task : service_.rows.tasks.queued_of(id, kMaxQueuedOfDevice)) {
    if (task.parked || task.wait_due || service_.digests.awaited(task)) continue;
    if (service_.images().missing(task.checksum) || service_.trust.holds_back(task)) continue;
    if (!best || rank(task) < rank(*best)) best = std::move(task);
  }
  return best;
}

std::optional<Task> Scheduler::update_readiness(const std::string& id, bool alone) {
  const auto device = service_.registry.find(id);
  const auto ready = service_.rows.tasks.ready_of(id);
  std::optional<Task> best;
  if (device && device->present_until_tl > service_.now()) best = best_of(id);
  const bool held = best && best->priority != Priority::security && service_.runs.uplink_is_full(*device);
  if (held) {
    service_.registry.block_on_uplink(id, device->uplink(), best->id.number);
    best.reset();
  } else if (device && !device->held_uplink.empty()) {
    service_.registry.block_on_uplink(id, {}, 0);
    // It leaves its place to the next where it doesn't take it itself.
    if (!best && !service_.runs.uplink_is_full(*device))
      if (auto next = service_.rows.devices.first_held(device->held_uplink)) mark_dirty(*next);
  }
  if (best) {
    if (auto active = service_.lifecycle.load_active(id)) {
      const bool more_urgent = best->priority == Priority::security && active->priority != Priority::security;
      const bool asked_for = active->unasked && !best->unasked;
      if (holds_slot(active->state) && (more_urgent || asked_for))
        preempt(*active);
      else
        best.reset();
    }
  }
  const auto wanted = best ? std::optional{best->id.number} : std::nullopt;
  if (ready == wanted) return {};
  if (ready) service_.rows.tasks.set_ready(*ready, false);
  // Who is alone needn't stand in the queue to be the next.
  const bool free = slots_ < service_.options().tasks.max_active;
  if (wanted && alone && free && service_.rows.tasks.queue_is_empty()) return best;
  if (wanted) enqueue(*wanted);
  return {};
}

void Scheduler::preempt(Task& task) {
  if (auto done = service_.lifecycle.change(task, TaskEvent::preempt, by_engine(), "preempted"); !done) return;
  ++service_.stats.preemptions;
  service_.push(task.device, CancelAnswer{task.id, CancelReason::preempted});
}

bool Scheduler::dispatch(Task& task, const std::string& asker) {
  const auto device = service_.registry.find(task.device);
  if (!device) return false;
  if (!task.fits(device->hardware)) {
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::wrong_hardware, by_engine(), "wrong_hardware"));
    return false;
  }
  if (!task.offered) {
    auto most = device->max_chunk_bytes.value_or(kMaxChunkBytes);
    const bool mqtt_only = device->transports == std::vector{Transport::mqtt};
    if (mqtt_only) most = std::min(most, kMaxMqttChunkBytes);
    if (const auto grid = fit_grid(task.size, task.chunk_bytes, most)) task.chunk_bytes = grid->chunk_bytes;
  }
  const auto follows = task.offered ? service_.attempts.follow_layout(task, *device) : Result<bool>{true};
  task.from_version = device->current_version;
  if ((follows && !*follows) || !service_.digests.ready(task)) {
    task.state_due = service_.now() + kLayoutRetry;
    service_.lifecycle.save(task);
    return false;
  }
  if (!task.offered) task.offered = service_.wall();
  if (task.reason == kUntrusted) task.reason.clear();
  task.percent = 0;
  if (auto done = service_.lifecycle.change(task, TaskEvent::grant, by_engine()); !done) return false;
  if (task.device != asker) service_.push(task.device, service_.replies.offer(task));
  return true;
}

void Scheduler::fill_slots(const std::string& asker) {
  for (;;) {
    auto heads = service_.rows.tasks.ready_heads();
    if (heads.empty()) return;
    const bool full = slots_ >= service_.options().tasks.max_active;
    const bool urgent = heads.front().priority == Priority::security;
    if (full && !urgent && (heads.front().unasked || !service_.rows.tasks.unasked_holds_slot())) return;
    auto best = full && urgent ? heads.begin()
                               : std::min_element(heads.begin(), heads.end(),
                                                  [this](const Task& x, const Task& y) { return rank(x) < rank(y); });
    // Another task of that device may have risen since this one took its place.
    try {
      update_readiness(best->device);
    } catch (const storage::BadRow&) {
      service_.rows.tasks.set_ready(best->id.number, false);
      continue;
    }
    if (service_.rows.tasks.ready_of(best->device) != best->id.number) continue;
    if (full) {
      auto holder = service_.rows.tasks.lowest_routine_holder();
      if (!holder) return;
      holder = service_.lifecycle.load(holder->id.number);
      if (!holder || !service_.digests.ready(*best)) {
        service_.rows.tasks.set_ready(best->id.number, false);
        best->state_due = service_.now() + kLayoutRetry;
        service_.lifecycle.save(*best);
        continue;
      }
      preempt(*holder);
    }
    service_.rows.tasks.set_ready(best->id.number, false);
    dispatch(*best, asker);
  }
}

void Scheduler::schedule(const std::string& asker) {
  // A pre-emption frees its device for others of its own, so this goes round until nothing changes.
  do {
    while (!dirty_.empty()) {
      const auto device = std::move(dirty_.extract(dirty_.begin()).value());
      try {
        if (auto next = update_readiness(device, dirty_.empty())) dispatch(*next, asker);
      } catch (const storage::BadRow&) {
        // One of its tasks can't be read, and is named; the others of the fleet go on.
      }
    }
    fill_slots(asker);
  } while (!dirty_.empty());
}

std::optional<Millis> Scheduler::next_timer() {
  const auto due = service_.rows.tasks.next_due();
  const auto lapse = service_.rows.devices.next_lapse();
  if (due && lapse) return std::min(*due, *lapse);
  return due ? due : lapse;
}

void Scheduler::run_timers() {
  service_.trust.withdraw();
  service_.registry.flush();
  for (const auto& found : service_.rows.tasks.due(service_.now(), kTimersAtOnce))
    if (auto task = service_.lifecycle.load(found.id.number)) on_due(*task);
  for (const auto& device : service_.rows.devices.lapsed(service_.now(), kTimersAtOnce)) mark_dirty(device);
  schedule();
}

void Scheduler::on_due(Task& task) {
  if (task.expiry_due && *task.expiry_due <= service_.now()) {
    const bool told = is_active(task.state) || task.offered;
    if (service_.lifecycle.change(task, TaskEvent::expire, by_timer(), "expired")) {
      if (told) service_.push(task.device, CancelAnswer{task.id, CancelReason::cancelled});
      return;
    }
  }
  if (task.wait_due && *task.wait_due <= service_.now()) {
    task.wait_due.reset();
    mark_dirty(task.device);
  }
  service_.lifecycle.save(task);
  if (task.state_due && *task.state_due <= service_.now()) on_state_due(task);
}

void Scheduler::on_state_due(Task& task) {
  switch (task.state) {
    case TaskState::queued:
      task.state_due.reset();
      if (service_.digests.awaited(task)) task.state_due = service_.now() + kLayoutRetry;
      service_.lifecycle.save(task);
      mark_dirty(task.device);
      break;
    case TaskState::offered:
      task.parked = true;
      static_cast<void>(service_.lifecycle.change(task, TaskEvent::offer_timeout, by_timer(), "offer_timeout"));
      break;
    case TaskState::downloading:
    case TaskState::retry_wait:
      service_.progress.stalled(task);
      break;
    case TaskState::installing:
      if (service_.lifecycle.change(task, TaskEvent::confirm_timeout, by_timer(), "confirm_timeout"))
        service_.push(task.device, FailedAnswer{task.id, "confirm_timeout", task.attempt});
      break;
    default:
      break;
  }
}

void Scheduler::resync() {
  dirty_.clear();
  slots_ = service_.rows.tasks.slots_held();
}

}  // namespace ota::engine
