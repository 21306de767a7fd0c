#include "engine/task_service.hpp"

#include <algorithm>
#include <charconv>

#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

Millis last_timeline(const storage::Metadata& metadata) {
  const auto text = metadata.value(kTimelineKey).value_or("0");
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || value < 0)
    log::error("timeline_ms in the database can't be read and is reset: " + text);
  return Millis{read.ec == std::errc{} ? std::max<std::int64_t>(value, 0) : 0};
}

}  // namespace

TaskService::TaskService(storage::Database& db, const Options& options, const Clock& clock, Random& random,
                         ActiveTransfers& transfers, IdlePolls& idle_polls, Images& images, DeviceNotifier& notifier,
                         std::function<void(Job)> later)
    : rows(db),
      options_(options),
      clock_(clock),
      random_(random),
      transfers_(transfers),
      idle_polls_(idle_polls),
      images_(images),
      notifier_(notifier),
      later_(std::move(later)),
      persistent_clock_(clock, last_timeline(rows.metadata)) {
  set_clock();
}

void TaskService::set_clock() {
  wall_ = clock_.wall();
  now_ = persistent_clock_.now();
}

void TaskService::push(const std::string& device, Answer answer) {
  if (const auto found = registry.find(device); found && found->only_polls()) return actions.told(answer);
  after_commit([this, device, answer = std::move(answer)] { notifier_.push(device, answer); });
}

void TaskService::log(const Task& task, LogEntry entry) {
  // What a device can bring about again and again.
  const bool may_repeat = entry.kind == "device" || entry.kind == "mismatch" ||
                          (task.offered && wall_ - *task.offered > std::chrono::hours{1});
  if ((task.unasked || task.rollout != 0) && may_repeat &&
      rows.transfer_log().has_lines(task.id.number, kLinesOfStranger))
    return;
  entry.task = task.id.number;
  entry.at = wall_;
  entry.attempt = task.attempt;
  rows.unit.add(entry);
}

void TaskService::audit(AuditEntry entry) {
  entry.at = wall_;
  rows.audit_log.add(entry);
}

void TaskService::resync() {
  idle_polls_.clear();
  scheduler.discard();
  digests.resync();
  rollouts.resync();
  absence.resync();
  count_damaged();
  auto holders = rows.tasks().all_active();
  std::erase_if(holders, [](const Task& task) { return !holds_slot(task.state); });
  runs.resync(holders);
}

void TaskService::count_damaged() {
  const auto all = rows.firmware.all();
  stats.damaged =
      static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& f) { return f.damaged; }));
}

}  // namespace ota::engine
