#include "engine/lifecycle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/task_service.hpp"
#include "ota/base/log.hpp"
#include "ota/domain/version.hpp"

namespace ota::engine {
namespace {

constexpr std::size_t kMostReasons = 100;  // that ended tasks are counted by
constexpr Millis kConfirmGrace{60'000};  // after a start, for devices that came back meanwhile

/// One line for how a task ended.
std::string end_line(const Task& task) {
  auto line = fmt::format("device={} task={} {}", task.device, task.id.str(), to_string(task.state));
  if (!task.reason.empty() && task.state != TaskState::succeeded) line += ": " + task.reason;
  if (!task.detail.empty() && task.state != TaskState::succeeded) line += " (the device: " + task.detail + ")";
  if (task.state == TaskState::succeeded && !task.confirmed) line += ", not confirmed by the device";
  return line + fmt::format(" ({} -> {}, {} bytes sent, attempt {} of {})",
                            task.from_version.empty() ? "unknown" : task.from_version, task.version, task.bytes_sent,
                            task.attempt, task.max_attempts);
}

}  // namespace

int day_of(WallTime time) {
  const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(time)};
  return static_cast<int>(date.year()) * 10'000 + static_cast<int>(static_cast<unsigned>(date.month())) * 100 +
         static_cast<int>(static_cast<unsigned>(date.day()));
}

std::optional<Task> Lifecycle::load(std::int64_t number) {
  std::optional<Task> task;
  try {
    task = service_.rows.unit.task(number);
  } catch (const storage::BadRow&) {
    service_.transfers().close(number);  // named by the storage; what is known of its transfer can be written nowhere
    return {};
  }
  if (task) service_.progress.collect(*task);
  return task;
}

std::optional<Task> Lifecycle::load_active(const std::string& device) {
  auto task = service_.rows.unit.active_of(device);
  if (task) service_.progress.collect(*task);
  return task;
}

void Lifecycle::save(Task& task) {
  task.updated = service_.wall();
  service_.rows.unit.put(task);
}

Task& Lifecycle::insert(Task& task, const std::string& actor) {
  task.id.day = day_of(service_.wall());
  task.created = task.updated = service_.wall();
  task.created_by = actor;
  task.queued_at_tl = service_.now();
  task.max_attempts = service_.options().tasks.max_attempts;
  if (task.not_before && *task.not_before > service_.wall()) task.wait_due = service_.clock().at(*task.not_before);
  // A rollout waits for absent devices as long as it goes on.
  if (const auto life = service_.options().tasks.default_expiry_s; life > 0 && !task.expires_at && task.rollout == 0)
    task.expires_at = std::max(task.not_before.value_or(service_.wall()), service_.wall()) + std::chrono::seconds{life};
  if (task.expires_at) task.expiry_due = service_.clock().at(*task.expires_at);
  service_.rows.unit.insert(task);
  LogEntry entry;
  entry.kind = "created";
  entry.by = actor;
  entry.to = TaskState::queued;
  service_.log(task, std::move(entry));
  service_.events.task_created(task);
  ++service_.stats.tasks_created;
  // Made ready now, the digests are there when the device asks.
  if (!service_.images().missing(task.checksum) && !service_.images().find(task.checksum, task.chunk_bytes))
    service_.digests.prepare(task, [](TaskService&, bool) {});
  service_.scheduler.mark_dirty(task.device);
  return task;
}

Result<void> Lifecycle::change(Task& task, TaskEvent event, const Actor& by, const std::string& reason) {
  const auto from = task.state;
  const auto to = next_state(from, event, by.cause);
  if (!to)
    return fail(Errc::wrong_state, fmt::format("task {} of device {} is {}: {} is not possible now", task.id.str(),
                                               task.device, to_string(from), to_string(event)));
  task.state = *to;
  // Why it waits, failed or was cancelled: nothing of that holds for the next state.
  task.reason = reason;
  if (*to != TaskState::failed && *to != TaskState::retry_wait) task.detail.clear();
  if (*to != TaskState::queued) task.wait_reason = WaitReason::none;
  if (from != *to || event != TaskEvent::chunk) log_change(task, event, from, by, reason);
  // Whose device only polls passed the gate before it had the image, and goes before it again.
  if (kUnverified.contains(from) && (*to == TaskState::queued || is_ended(*to))) {
    task.passed_tl.reset();
    task.overdue = false;
  }
  task.stalls = 0;
  task.heard = false;
  service_.timers.arm(task);
  if (holds_slot(from) != holds_slot(*to)) move_slot(task);
  if (*to == TaskState::installing)
    task.confirm_by = std::chrono::floor<std::chrono::seconds>(
        service_.wall() + (task.rollout == 0 ? std::chrono::seconds{service_.options().tasks.confirm_timeout_s}
                                             : service_.gate.proof_time(task)));
  const bool verified =
      *to == TaskState::staged || *to == TaskState::installing || *to == TaskState::succeeded;
  if (holds_slot(from) && verified) count_delivery(task);
  if (is_ended(*to)) end(task);
  save(task);
  if (from != *to) service_.events.task_changed(task);
  // Which of its tasks is next is another matter only where one enters or leaves; who is dispatched was the next.
  const bool goes_on = is_active(*to) && (is_active(from) || event == TaskEvent::grant);
  if (from != *to && !goes_on) service_.scheduler.mark_dirty(task.device);
  return {};
}

void Lifecycle::log_change(const Task& task, TaskEvent event, TaskState from, const Actor& by,
                           const std::string& reason) {
  if (task.state != TaskState::downloading) service_.progress.log_run(task);
  LogEntry entry;
  entry.kind = "state";
  entry.by = by.name;
  entry.from = from;
  entry.to = task.state;
  entry.event = to_string(event);
  entry.reason = reason;
  if (task.state == TaskState::failed || task.state == TaskState::retry_wait) entry.detail = task.detail;
  entry.bytes = task.bytes_sent;
  service_.log(task, std::move(entry));
}

void Lifecycle::move_slot(Task& task) {
  if (holds_slot(task.state)) {
    task.slot_uplink = service_.runs.uplink_of(task.device);
    return service_.runs.begin(task);
  }
  service_.runs.end(task);
  const auto uplink = std::exchange(task.slot_uplink, {});
  if (uplink.empty()) return;
  if (auto next = service_.rows.devices().first_held(uplink)) service_.scheduler.mark_dirty(*next);
}

void Lifecycle::count_delivery(const Task& task) {
  const auto took = task.offered ? service_.wall() - *task.offered : Millis{0};
  if (took <= Millis{0}) return;  // the wall clock was set
  const double seconds = std::chrono::duration<double>(took).count();
  service_.stats.delivery_time.observe(seconds);
  service_.stats.delivery_rate.observe(static_cast<double>(task.size) / seconds);
}

void Lifecycle::count_end(const Task& task) {
  auto counts = std::make_shared<EndedTasks>(*service_.stats.ended);
  auto key = std::pair{task.state, task.reason};
  if (counts->size() >= kMostReasons && !counts->contains(key)) key.second = "(others)";
  ++(*counts)[key];
  service_.stats.ended = std::move(counts);
}

void Lifecycle::end(Task& task) {
  task.ended = service_.wall();
  task.retry_due.reset();
  task.wait_due.reset();
  task.expiry_due.reset();
  service_.rows.unit.put_chunks(task, {});
  const bool failed = task.state == TaskState::failed;
  count_end(task);
  if (task.state == TaskState::succeeded) ++service_.stats.tasks_succeeded;
  if (failed) ++service_.stats.tasks_failed;
  service_.after_commit([line = end_line(task), failed] { failed ? log::warn(line) : log::info(line); });
}

void Lifecycle::supersede_up_to(const std::string& device, const std::string& version) {
  for (auto& other : service_.rows.unit.queued_of(device, kMaxQueuedOfDevice)) {
    if (other.overrides_version() || newer_version(other.version, version)) continue;
    if (!change(other, TaskEvent::supersede, by_engine(), "superseded")) continue;
    if (other.offered) service_.push(device, CancelAnswer{other.id, CancelReason::superseded});
  }
}

void Lifecycle::resume_active() {
  service_.rollouts.check_counters();
  service_.trust.withdraw();
  service_.rollouts.end_left_members();
  for (auto& task : service_.rows.tasks().all_active()) {
    const auto due = task.state_due;
    service_.timers.arm(task);
    task.stalls = 0;  // what came in the last second may be forgotten: that is not the device's fault
    if (task.state == TaskState::installing) {
      const auto was = due.value_or(service_.now());
      // The moment in which a device of a rollout becomes overdue doesn't move: it counts as failed until it is heard.
      task.state_due = task.rollout != 0 && !task.overdue ? was : std::max(was, service_.now() + kConfirmGrace);
    }
    save(task);
    service_.digests.prepare(task, [number = task.id.number](TaskService& service, bool) {
      const auto now = service.lifecycle.load(number);
      if (!now) return;
      if (now->state == TaskState::offered) service.push(now->device, service.replies.offer(*now));
      if (now->state == TaskState::retry_wait) service.push(now->device, service.replies.retry(*now, now->reason));
    });
  }
}

void Lifecycle::record_activity(Task& task) {
  task.heard = true;
  if (task.state == TaskState::offered) service_.timers.arm(task);
  save(task);
}

}  // namespace ota::engine
