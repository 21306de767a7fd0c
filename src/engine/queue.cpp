// Who is next: presence, places in the queue, slots, pre-emption, timers (api.md, rules of the queue).
#include <fmt/format.h>

#include <algorithm>

#include "engine/ledger.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

constexpr Millis kRiseAfter = std::chrono::hours{1};  // a task that waited so long counts one class higher
constexpr int kMaxQueuedOfDevice = 1'000;
constexpr int kTimersAtOnce = 500;
// Who waits for an image's chunk digests is looked at again after so long, should their making be lost in a crash.
constexpr Millis kGridRetry{10'000};
constexpr Millis kTrustRetry{60'000};        // firmware that isn't trusted is looked at again for a present device
constexpr int kPlacesOfPoorUplink = 2;       // slots at a time for devices with poor links behind one
constexpr std::size_t kMaxDeferred = 1'000;  // requests that wait for one grid; more are answered `queued`

}  // namespace

Priority Ledger::effective(const Task& task) const {
  return now_ - task.queued_at_tl >= kRiseAfter ? risen(task.priority) : task.priority;
}

std::tuple<bool, Priority, std::int64_t> Ledger::rank(const Task& task) const {
  return {task.unasked, effective(task), task.id.number};
}

void Ledger::heard(Device& device) {
  device.last_seen = wall_;
  device.present_until_tl = now_ + std::chrono::seconds{options_.devices.present_s};
  save(device);
  for (auto& task : tasks.queued_of(device.id, kMaxQueuedOfDevice))
    if (task.parked) {
      task.parked = false;
      save(task);
    }
  touch(device.id);
}

void Ledger::spoke(Task& task) {
  task.heard = true;
  if (task.state == TaskState::offered) arm(task);
  save(task);
}

void Ledger::hold(const std::string& id, const std::string& uplink, std::int64_t task) {
  write_device();
  device_.reset();
  devices.hold(id, uplink, task);
}

/// Beside the task the device's row says so, which must be there.
void Ledger::queue_up(std::int64_t task) {
  write_device();
  tasks.set_ready(task, true);
}

std::optional<Task> Ledger::refresh(const std::string& id, bool alone) {
  const auto device = find_device(id);
  const auto ready = tasks.ready_of(id);
  std::optional<Task> best;
  if (device && device->present_until_tl > now_) {
    for (auto& task : tasks.queued_of(id, kMaxQueuedOfDevice)) {
      if (task.parked || task.wait_due || awaits_grid(task) || images_.missing(task.checksum) || awaits_trust(task))
        continue;
      if (!best || rank(task) < rank(*best)) best = std::move(task);
    }
  }
  const bool held = best && best->priority != Priority::security && uplink_is_full(*device);
  if (held) {
    hold(id, device->uplink(), best->id.number);
    best.reset();
  } else if (device && !device->held_uplink.empty()) {
    hold(id, {}, 0);
    // It leaves its place to the next where it doesn't take it itself.
    if (!best && !uplink_is_full(*device))
      if (auto next = devices.first_held(device->held_uplink)) touch(*next);
  }
  if (best) {
    if (auto active = load_active(id)) {
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
  if (ready) tasks.set_ready(*ready, false);
  // Who is alone needn't stand in the queue to be the next.
  if (wanted && alone && slots_ < options_.tasks.max_active && tasks.queue_is_empty()) return best;
  if (wanted) queue_up(*wanted);
  return {};
}

/// Those behind one slow uplink only slow each other down.
bool Ledger::uplink_is_full(const Device& device) const {
  if (device.quality.verdict != LinkVerdict::poor || device.uplink().empty()) return false;
  const auto found = uplinks_.find(device.uplink());
  return found != uplinks_.end() && found->second >= kPlacesOfPoorUplink;
}

void Ledger::preempt(Task& task) {
  if (auto done = change(task, TaskEvent::preempt, by_engine(), "preempted"); !done) return;
  ++stats.preemptions;
  push(task.device, CancelAnswer{task.id, CancelReason::preempted});
}

void Ledger::with_grid(const Task& task, std::function<void(Ledger&, bool)> then) {
  after_commit([this, image = task.checksum, chunk_bytes = task.chunk_bytes, then = std::move(then)] {
    images_.prepare(image, chunk_bytes, [later = later_, image, then](const auto& result) {
      if (!result)
        log::warn("image " + to_hex(image) + " has no chunk digests yet: " + result.error().message +
                  "; its tasks are tried again in a moment");
      later([then, ready = result.has_value()](Ledger& ledger) { then(ledger, ready); });
    });
  });
}

bool Ledger::grid_ready(const Task& task) {
  if (images_.find(task.checksum, task.chunk_bytes)) return true;
  const std::pair key{task.checksum, task.chunk_bytes};
  auto& awaiting = awaited_[key];
  const bool first = awaiting.devices.empty();
  awaiting.devices.insert(task.device);
  if (!first) return false;
  with_grid(task, [key](Ledger& ledger, bool ready) {
    const auto found = ledger.awaited_.extract(key);
    if (found.empty()) return;
    for (const auto& request : found.mapped().requests) request(ledger);
    if (!ready) return;
    for (const auto& device : found.mapped().devices) ledger.touch(device);
  });
  return false;
}

bool Ledger::awaits_grid(const Task& task) const {
  const auto found = awaited_.find({task.checksum, task.chunk_bytes});
  return found != awaited_.end() && found->second.devices.contains(task.device);
}

bool Ledger::defer(const std::string& device, std::function<void(Ledger&)> request) {
  for (auto& [key, awaiting] : awaited_) {
    if (!awaiting.devices.contains(device) || awaiting.requests.size() >= kMaxDeferred) continue;
    awaiting.requests.push_back(std::move(request));
    return true;
  }
  return false;
}

bool Ledger::grant(Task& task, const std::string& asker) {
  const auto device = find_device(task.device);
  if (!device) return false;
  if (!task.fits(device->hardware)) {
    static_cast<void>(change(task, TaskEvent::wrong_hardware, by_engine(), "wrong_hardware"));
    return false;
  }
  if (!task.offered) {
    auto most = device->max_chunk_bytes.value_or(kMaxChunkBytes);
    const bool mqtt_only = device->transports == std::vector{Transport::mqtt};
    if (mqtt_only) most = std::min(most, kMaxMqttChunkBytes);
    if (const auto grid = fit_grid(task.size, task.chunk_bytes, most)) task.chunk_bytes = grid->chunk_bytes;
  }
  const auto follows = task.offered ? follow_layout(task, *device) : Result<bool>{true};
  task.from_version = device->current_version;
  if ((follows && !*follows) || !grid_ready(task)) {
    task.state_due = now_ + kGridRetry;
    save(task);
    return false;
  }
  if (!task.offered) task.offered = wall_;
  if (task.reason == kUntrusted) task.reason.clear();
  task.percent = 0;
  if (auto done = change(task, TaskEvent::grant, by_engine()); !done) return false;
  if (task.device != asker) push(task.device, offer(task));
  return true;
}

void Ledger::fill_slots(const std::string& asker) {
  for (;;) {
    auto heads = tasks.ready_heads();
    if (heads.empty()) return;
    const bool full = slots_ >= options_.tasks.max_active;
    const bool urgent = heads.front().priority == Priority::security;
    if (full && !urgent && (heads.front().unasked || !tasks.unasked_holds_slot())) return;
    auto best = full && urgent ? heads.begin()
                               : std::min_element(heads.begin(), heads.end(),
                                                  [this](const Task& x, const Task& y) { return rank(x) < rank(y); });
    // Another task of that device may have risen since this one took its place.
    try {
      refresh(best->device);
    } catch (const storage::BadRow&) {
      tasks.set_ready(best->id.number, false);
      continue;
    }
    if (tasks.ready_of(best->device) != best->id.number) continue;
    if (full) {
      auto holder = tasks.lowest_routine_holder();
      if (!holder) return;
      holder = load(holder->id.number);
      if (!holder || !grid_ready(*best)) {
        tasks.set_ready(best->id.number, false);
        best->state_due = now_ + kGridRetry;
        save(*best);
        continue;
      }
      preempt(*holder);
    }
    tasks.set_ready(best->id.number, false);
    grant(*best, asker);
  }
}

void Ledger::settle(const std::string& asker) {
  // A pre-emption frees its device for others of its own, so this goes round until nothing changes.
  do {
    while (!touched_.empty()) {
      const auto device = std::move(touched_.extract(touched_.begin()).value());
      try {
        if (auto next = refresh(device, touched_.empty())) grant(*next, asker);
      } catch (const storage::BadRow&) {
        // One of its tasks can't be read, and is named; the others of the fleet go on.
      }
    }
    fill_slots(asker);
  } while (!touched_.empty());
}

std::optional<Millis> Ledger::next_timer() {
  const auto due = tasks.next_due();
  const auto lapse = devices.next_lapse();
  if (due && lapse) return std::min(*due, *lapse);
  return due ? due : lapse;
}

bool Ledger::trusted(const Task& task) {
  const auto& trust = options_.trust;
  if (!trust) return true;
  if (trusted_.empty() || trust_seen_ != trust->generation()) {
    trusted_.clear();
    trust_seen_ = trust->generation();
  }
  const auto known = trusted_.find(task.firmware_id);
  if (known != trusted_.end()) return known->second;
  const auto found = firmware.find(task.firmware_id);
  const bool good = !found || trust->judge(*found);
  trusted_.emplace(task.firmware_id, good);
  return good;
}

bool Ledger::awaits_trust(Task& task) {
  if (trusted(task)) return false;
  if (!task.state_due || task.reason != kUntrusted) {
    task.reason = kUntrusted;
    task.state_due = now_ + kTrustRetry;
    save(task);
  }
  return true;
}

void Ledger::withdraw_untrusted() {
  if (!options_.trust || options_.trust->generation() == withdrawn_at_) return;
  withdrawn_at_ = options_.trust->generation();
  for (auto& task : tasks.all_active()) {
    if (!holds_slot(task.state) || trusted(task)) continue;
    if (!change(task, TaskEvent::withdraw, by_engine(), kUntrusted)) continue;
    push(task.device, CancelAnswer{task.id, CancelReason::preempted});
  }
}

void Ledger::run_timers() {
  withdraw_untrusted();
  write_device();
  for (const auto& found : tasks.due(now_, kTimersAtOnce))
    if (auto task = load(found.id.number)) on_due(*task);
  for (const auto& device : devices.lapsed(now_, kTimersAtOnce)) touch(device);
  settle();
}

void Ledger::on_due(Task& task) {
  if (task.expiry_due && *task.expiry_due <= now_) {
    const bool told = is_active(task.state) || task.offered;
    if (change(task, TaskEvent::expire, by_timer(), "expired")) {
      if (told) push(task.device, CancelAnswer{task.id, CancelReason::cancelled});
      return;
    }
  }
  if (task.wait_due && *task.wait_due <= now_) {
    task.wait_due.reset();
    touch(task.device);
  }
  save(task);
  if (!task.state_due || *task.state_due > now_) return;
  switch (task.state) {
    case TaskState::queued:
      task.state_due.reset();
      if (awaits_grid(task)) task.state_due = now_ + kGridRetry;
      save(task);
      touch(task.device);
      break;
    case TaskState::offered:
      task.parked = true;
      static_cast<void>(change(task, TaskEvent::offer_timeout, by_timer(), "offer_timeout"));
      break;
    case TaskState::downloading:
    case TaskState::retry_wait:
      on_stall(task);
      break;
    case TaskState::installing:
      if (change(task, TaskEvent::confirm_timeout, by_timer(), "confirm_timeout"))
        push(task.device, FailedAnswer{task.id, "confirm_timeout", task.attempt});
      break;
    default:
      break;
  }
}

void Ledger::on_stall(Task& task) {
  if (task.stalls == 0) {
    task.stalls = 1;
    task.heard = false;
    note_trouble(task.device, LinkTrouble::stall);
    note_lost(task);
    // A device that sits in a dead download says nothing: that it spoke over MQTT not long ago is enough.
    auto device = find_device(task.device);
    if (device && now_ - device->quality.mqtt_heard < stall_time(task) * 2)
      order_transport(task, *device, Recommend::mqtt_first, "stalled");
    arm(task);
    save(task);
    LogEntry entry;
    entry.kind = "retry";
    entry.by = "timer";
    entry.reason = "stalled";
    log(task, std::move(entry));
    push(task.device, retry_answer(task, "stalled"));
  } else if (task.heard) {
    push(task.device, spend_attempt(task, by_timer(), "stalled"));
  } else {
    task.parked = true;
    static_cast<void>(change(task, TaskEvent::silence, by_timer(), "stalled"));
  }
}

}  // namespace ota::engine
