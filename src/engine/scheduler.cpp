#include "engine/scheduler.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

constexpr Millis kRiseAfter = std::chrono::hours{1};  // a task that waited so long counts one class higher

/// The chunks of the task that the device accepts; nothing where there would be too many of them.
std::optional<ChunkGrid> layout_for(const Task& task, const Device& device) {
  auto most = device.max_chunk_bytes.value_or(kMaxChunkBytes);
  if (device.transports == std::vector{Transport::mqtt}) most = std::min(most, kMaxMqttChunkBytes);
  return fit_grid(task.size, task.chunk_bytes, most);
}

}  // namespace

void Scheduler::mark_dirty(const std::string& device) {
  service_.idle_polls().forget(device);
  dirty_.insert(device);
}

Priority Scheduler::effective_priority(const Task& task) const {
  return service_.now() - task.queued_at_tl >= kRiseAfter ? boosted(task.priority) : task.priority;
}

std::tuple<bool, Priority, bool, std::int64_t> Scheduler::rank(const Task& task) const {
  // What is ordered for one device goes before what a rollout brings it.
  return {task.unasked, effective_priority(task), task.rollout != 0, task.id.number};
}

WaitReason Scheduler::gate(Task& task, const std::optional<Device>& device, bool present) {
  if (service_.trust.holds_back(task, present)) return WaitReason::untrusted;
  if (task.wait_due) return WaitReason::not_before;
  if (service_.images().missing(task.checksum)) return WaitReason::image_missing;
  if (!device || !present || task.parked) return WaitReason::device_offline;
  // One that only polls downloads the image as a whole.
  if (!device->only_polls() && !layout_for(task, *device)) return WaitReason::chunk_size;
  return service_.digests.awaited(task) ? WaitReason::digests : WaitReason::none;
}

/// It gets a slot when it polls, not before; and passes the gate of its rollout before it is shown the task.
WaitReason Scheduler::poll_gate(Task& task, const Device& device, const std::string& asker) {
  if (task.rollout != 0 && !service_.rollouts.goes_on(task.rollout)) {
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::supersede, by_engine(), "rollout_cancelled"));
    return WaitReason::gate;
  }
  const auto firmware = storage::if_readable([&] { return service_.rows.firmware.find(task.firmware_id); });
  if (!firmware || !firmware->file) return WaitReason::digests;
  if (!service_.actions.may_be_shown(task, device)) return WaitReason::gate;
  return device.id == asker ? WaitReason::none : WaitReason::poll;
}

void Scheduler::set_wait(Task& task, WaitReason reason) {
  if (task.state != TaskState::queued) return;
  if (std::exchange(task.wait_reason, reason) != reason) service_.rows.unit.put(task);
}

void Scheduler::leave_queue(Task& task, WaitReason reason) {
  set_wait(task, reason);
  service_.rows.unit.queue().set_ready(task.device, {});
}

/// It leaves the queue until the digests of its chunks are made, or LayoutDigests::kAwaitedFor is over.
void Scheduler::await_digests(Task& task) {
  leave_queue(task, WaitReason::digests);
  task.state_due = service_.now() + LayoutDigests::kAwaitedFor;
  service_.lifecycle.save(task);
}

/// Whether `best`, the next of its device, waits for others behind its uplink. Those behind one poor uplink only slow
/// each other down.
bool Scheduler::waits_for_uplink(const Device& device, const Task* best) {
  auto& queue = service_.rows.unit.queue();
  const bool full = best && best->priority != Priority::security && service_.runs.uplink_is_full(device);
  if (full) {
    queue.hold(device.id, device.uplink(), best->id.number);
  } else if (!device.held_uplink.empty()) {
    queue.hold(device.id, {}, 0);
    // It leaves its place to the next where it doesn't take it itself.
    if (!best && !service_.runs.uplink_is_full(device))
      if (auto next = service_.rows.devices().first_held(device.held_uplink)) mark_dirty(*next);
  }
  return full;
}

/// Whether the device is free for `best`; where that is more urgent than the task that holds it, that gives way.
bool Scheduler::is_free_for(const Task& best) {
  auto active = service_.lifecycle.load_active(best.device);
  if (!active) return true;
  const bool more_urgent = best.priority == Priority::security && active->priority != Priority::security;
  const bool asked_for = active->unasked && !best.unasked;
  // One that waits at the gate does nothing, perhaps for days.
  const bool idle = active->state == TaskState::staged && rank(best) < rank(*active);
  if (!idle && (!holds_slot(active->state) || (!more_urgent && !asked_for))) return false;
  preempt(*active);
  return true;
}

std::optional<Task> Scheduler::update_readiness(const std::string& id, const std::string& asker, bool alone) {
  auto& unit = service_.rows.unit;
  auto& queue = unit.queue();
  const auto device = service_.registry.find(id);
  const bool present = device && device->present_until_tl > service_.now();
  auto queued = unit.queued_of(id, kMaxQueuedOfDevice);
  std::vector<WaitReason> reasons;
  Task* best = nullptr;
  for (auto& task : queued) {
    reasons.push_back(gate(task, device, present));
    if (reasons.back() == WaitReason::none && device->only_polls()) reasons.back() = poll_gate(task, *device, asker);
    if (reasons.back() == WaitReason::none && (!best || rank(task) < rank(*best))) best = &task;
  }
  auto others = WaitReason::none;  // why those wait that only wait for their device
  if (device && waits_for_uplink(*device, best)) {
    others = WaitReason::uplink;
  } else if (best ? !is_free_for(*best) : !queued.empty() && unit.active_of(id)) {
    others = WaitReason::device_busy;
  } else if (best) {
    others = WaitReason::behind_own;
  }
  if (best && others != WaitReason::behind_own) best = nullptr;
  // Who is alone needn't stand in the queue to be the next.
  const bool direct = best && alone && best->wait_reason != WaitReason::slot && slot_is_free() && queue.is_empty();
  for (std::size_t i = 0; i < queued.size(); ++i) {
    const bool of_device = reasons[i] == WaitReason::none || reasons[i] == WaitReason::device_offline ||
                           reasons[i] == WaitReason::digests || reasons[i] == WaitReason::poll;
    if (&queued[i] == best)
      reasons[i] = direct ? best->wait_reason : WaitReason::slot;
    else if (of_device && others != WaitReason::none)
      reasons[i] = others;
    set_wait(queued[i], reasons[i]);
  }
  queue.set_ready(id, best && !direct ? std::optional{best->id.number} : std::nullopt);
  return direct ? std::optional{*best} : std::nullopt;
}

bool Scheduler::slot_is_free() { return service_.rows.unit.queue().slots_held() < service_.options().tasks.max_active; }

void Scheduler::preempt(Task& task) {
  if (auto done = service_.lifecycle.change(task, TaskEvent::preempt, by_engine(), "preempted"); !done) return;
  ++service_.stats.preemptions;
  service_.push(task.device, CancelAnswer{task.id, CancelReason::preempted});
}

void Scheduler::dispatch(Task& task, const std::string& asker) {
  const auto device = service_.registry.find(task.device);
  if (!device) return;
  if (!fits(task.hardware, *device)) {
    static_cast<void>(service_.lifecycle.change(task, TaskEvent::wrong_hardware, by_engine(), "wrong_hardware"));
    return;
  }
  if (!task.offered)
    if (const auto grid = layout_for(task, *device)) task.chunk_bytes = grid->chunk_bytes;
  const auto follows = task.offered ? service_.attempts.follow_layout(task, *device) : Result<bool>{true};
  task.from_version = device->current_version;
  if ((follows && !*follows) || !service_.digests.ready(task)) {
    await_digests(task);
    return;
  }
  if (device->only_polls() && task.rollout != 0) service_.gate.passed_unseen(task, *device);
  if (!task.offered) task.offered = service_.wall();
  task.percent = 0;
  if (auto done = service_.lifecycle.change(task, TaskEvent::grant, by_engine()); !done) return;
  if (!service_.rows.unit.queued_of(task.device, 1).empty()) mark_dirty(task.device);  // they wait for this one now
  if (task.device != asker) service_.push(task.device, service_.replies.offer(task));
}

void Scheduler::fill_slots(const std::string& asker) {
  auto& queue = service_.rows.unit.queue();
  for (;;) {
    if (queue.version() == nothing_since_ || queue.is_empty()) return;
    auto heads = service_.rows.tasks().ready_heads();
    if (heads.empty()) return;
    const bool full = !slot_is_free();
    const bool urgent = heads.front().priority == Priority::security;
    if (full && !urgent && (heads.front().unasked || !service_.rows.tasks().unasked_holds_slot())) {
      nothing_since_ = queue.version();
      return;
    }
    auto best = full && urgent ? heads.begin()
                               : std::min_element(heads.begin(), heads.end(),
                                                  [this](const Task& x, const Task& y) { return rank(x) < rank(y); });
    if (!is_still_ready(*best, asker)) continue;
    if (full && !free_slot_for(*best)) {
      if (best->wait_reason == WaitReason::slot) return;
      continue;
    }
    leave_queue(*best, WaitReason::none);
    dispatch(*best, asker);
  }
}

/// Another task of its device may have risen since this one took its place.
bool Scheduler::is_still_ready(Task& task, const std::string& asker) {
  try {
    update_readiness(task.device, asker);
  } catch (const storage::BadRow&) {
    leave_queue(task, WaitReason::none);
    return false;
  }
  task = service_.rows.unit.task(task.id.number).value_or(task);
  if (service_.rows.unit.queue().ready_of(task.device) == task.id.number) return true;
  if (task.wait_reason == WaitReason::slot) set_wait(task, WaitReason::behind_own);  // its device has too many tasks
  return false;
}

/// Pre-empts the lowest holder of a slot. False where there is none that gives way, or `task` can't start yet, and
/// leaves the queue.
bool Scheduler::free_slot_for(Task& task) {
  auto holder = service_.rows.tasks().lowest_routine_holder();
  if (!holder) return false;
  holder = service_.lifecycle.load(holder->id.number);
  if (!holder || !service_.digests.ready(task)) {
    await_digests(task);
    return false;
  }
  preempt(*holder);
  return true;
}

void Scheduler::schedule(const std::string& asker) {
  service_.rollouts.settle();
  // A pre-emption frees its device for others of its own, so this goes round until nothing changes.
  do {
    while (!dirty_.empty()) {
      const auto device = std::move(dirty_.extract(dirty_.begin()).value());
      try {
        if (auto next = update_readiness(device, asker, dirty_.empty())) dispatch(*next, asker);
      } catch (const storage::BadRow&) {
        // One of its tasks can't be read, and is named; the others of the fleet go on.
      }
    }
    fill_slots(asker);
    service_.rollouts.settle();
  } while (!dirty_.empty());
}

}  // namespace ota::engine
