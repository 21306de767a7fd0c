// The state after a step, beside the database's: nothing is stuck, nobody waits whose turn it is.
#include <algorithm>

#include "unit/engine/model.hpp"

namespace ota::engine::model {

using State = TaskState;

TaskModel* Model::find(std::int64_t number) {
  const auto found = tasks.find(number);
  return found == tasks.end() ? nullptr : &found->second;
}

std::vector<TaskModel*> Model::open_tasks() {
  std::vector<TaskModel*> open;
  for (auto& [number, task] : tasks)
    if (!is_ended(task.state)) open.push_back(&task);
  return open;
}

TaskModel* Model::active_of(const std::string& device) {
  for (auto* task : open_tasks())
    if (task->facts.device == device && is_active(task->state)) return task;
  return nullptr;
}

TaskModel* Model::open_of(const std::string& device, const std::string& version) {
  for (auto* task : open_tasks())
    if (task->facts.device == device && task->facts.version == version) return task;
  return nullptr;
}

bool Model::needs_firmware(std::int64_t id) {
  const auto open = open_tasks();
  return std::any_of(open.begin(), open.end(), [&](const auto* task) { return task->facts.firmware_id == id; });
}

std::int64_t Model::slots() {
  const auto open = open_tasks();
  return std::count_if(open.begin(), open.end(), [](const auto* task) { return holds_slot(task->state); });
}

bool Model::perhaps_heard(const std::string& device) const {
  const auto word = heard_.find(device);
  const auto known = devices.find(device);
  const bool moved = known != devices.end() && known->second.transfer_moved;
  return following_ && (moved || (word != heard_.end() && !word->second));
}

bool Model::could_start(const TaskModel& task, const TaskModel* freed) {
  if (task.state != State::queued || (task.parked && !perhaps_heard(task.facts.device))) return false;
  if (task.wait_due && *task.wait_due > now) return false;
  const auto device = devices.find(task.facts.device);
  if (device == devices.end() || device->second.present_until <= now) return false;
  const auto* active = active_of(task.facts.device);
  return !active || active == freed;
}

void Model::compare(const std::vector<Row>& rows, std::int64_t ledger_slots, bool all_flushed) {
  following_ = false;
  std::map<std::string, int> active;
  std::set<std::string> in_queue;
  std::int64_t held = 0;
  for (const auto& row : rows) {
    if (is_active(row.state) && ++active[row.device] > 1) fault(row.device + " has two active tasks");
    held += holds_slot(row.state);
    if (row.ready && !in_queue.insert(row.device).second) fault(row.device + " stands in the queue twice");
    auto* task = find(row.number);
    if (task)
      check_row(*task, row, all_flushed);
    else
      fault("task " + std::to_string(row.number) + " is in the database and in no log");
  }
  for (const auto* task : open_tasks())
    if (could_start(*task) && !resting(*task) && !in_queue.contains(task->facts.device) && !slow_digests)
      fault(name_of(*task) + " could start and is not in the queue");
  if (all_flushed)
    for (auto& [id, device] : devices) device.transfer_moved = false;
  if (held > options_.tasks.max_active) fault("more slots are held than there are: " + std::to_string(held));
  if (held != ledger_slots) fault("the service counts " + std::to_string(ledger_slots) + " slots");
  if (rows.size() != open_tasks().size()) fault("not all that is open is in the database");
}

void Model::check_row(TaskModel& task, const Row& row, bool all_flushed) {
  if (row.state != task.state || row.attempt != task.attempt)
    fault(name_of(task) + " is in the database " + std::string(to_string(row.state)) + ", attempt " +
          std::to_string(row.attempt));
  if (row.attempt > options_.tasks.max_attempts) fault(name_of(task) + " has too many attempts");
  if (row.priority != task.facts.priority) fault(name_of(task) + " has another priority");

  std::vector<bool> in_row(task.have.size(), false);
  for (std::uint32_t i = 0; i < in_row.size() && i / 8 < row.bitmap.size(); ++i)
    in_row[i] = (row.bitmap[i / 8] >> (i % 8)) & 1;
  for (std::uint32_t i = 0; i < in_row.size(); ++i) {
    if (task.open_have) task.have[i] = in_row[i];
    if (in_row[i] && !task.have[i]) fault(name_of(task) + " is said to have chunk " + std::to_string(i));
    if (all_flushed && !in_row[i] && task.have[i]) {
      fault(name_of(task) + " lost chunk " + std::to_string(i));
      task.have[i] = false;
    }
  }
  task.stored = in_row;

  const auto word = heard_.find(task.facts.device);
  if (row.parked != task.parked) {
    const bool unsure = devices[task.facts.device].transfer_moved || (word != heard_.end() && !word->second);
    if (!unsure || row.parked) fault(name_of(task) + (row.parked ? " is parked" : " is not parked"));
    task.parked = row.parked;
  }

  const Millis longest = std::chrono::seconds(std::max({options_.tasks.offer_timeout_s, options_.tasks.stall_timeout_s,
                                                        options_.tasks.confirm_timeout_s})) +
                         std::chrono::seconds(options_.tasks.retry_backoff_max_s + 1);
  if (is_active(row.state)) {
    if (!row.state_due || *row.state_due > now + longest)
      fault(name_of(task) + " has no timer, or one that is too far");
    else if (all_flushed && *row.state_due <= now)
      fault(name_of(task) + " is over its time");
  }
  if (all_flushed && task.expiry_due && *task.expiry_due <= now && task.state != State::installing)
    fault(name_of(task) + " should have expired");
  if (row.ready != row.in_queue)
    fault(name_of(task) +
          (row.ready ? " stands in the queue, but not for its device" : " is in the queue for its device alone"));
  if (row.ready && !could_start(task)) {
    if (all_flushed || !devices.contains(task.facts.device) || devices[task.facts.device].present_until > now)
      fault(name_of(task) + " stands in the queue and can't start");
  }
}

void Model::compare_presence(const std::string& id, const DeviceModel& row) {
  auto& mine = devices[id];
  const auto word = heard_.find(id);
  const Millis full = now + std::chrono::seconds(options_.devices.present_s);
  const bool may_move = mine.transfer_moved || word != heard_.end();
  if (word != heard_.end() && word->second && row.present_until != full) fault(id + " was heard and is not present");
  if (!may_move && row.present_until != mine.present_until) fault(id + " is present longer than it was heard");
  if (may_move && row.present_until != mine.present_until && row.present_until > full)
    fault(id + " is present too long");
  mine.present_until = row.present_until;
}

void Model::compare_device(const std::string& id, const DeviceModel& row) {
  auto& mine = devices[id];
  if (row.current != mine.current || row.confirmed != mine.confirmed)
    fault(id + " runs " + row.current + " in the registry, not " + mine.current);
  if (mine.registered && row.hardware != mine.hardware) fault(id + " has another hardware than it was registered with");
  mine.current = row.current;
  mine.confirmed = row.confirmed;
  mine.hardware = row.hardware;
}

void Model::check_queue() {
  std::vector<const TaskModel*> waiting;
  for (const auto* task : open_tasks())
    if (could_start(*task) && !resting(*task)) waiting.push_back(task);
  const auto held = slots();
  if (!waiting.empty() && held < options_.tasks.max_active && !slow_digests)
    fault(name_of(*waiting.front()) + " waits, though a slot is free");

  for (const auto* task : open_tasks()) {
    if (task->facts.unasked || task->state != State::queued || resting(*task)) continue;
    const auto* own = active_of(task->facts.device);
    if (own && holds_slot(own->state) && own->facts.unasked && could_start(*task, own))
      fault(name_of(*task) + " waits for " + name_of(*own) + " of its own device, for which nobody asked");
    if (own || !could_start(*task)) continue;
    for (const auto* holder : open_tasks())
      if (holds_slot(holder->state) && holder->facts.unasked)
        fault(name_of(*task) + " waits, though " + name_of(*holder) + " holds a slot, for which nobody asked");
  }
  for (const auto* task : open_tasks()) {
    if (task->facts.priority != Priority::security || task->state != State::queued || resting(*task)) continue;
    const auto* own = active_of(task->facts.device);
    if (own && holds_slot(own->state) && own->facts.priority != Priority::security && could_start(*task, own))
      fault(name_of(*task) + " waits for " + name_of(*own) + " of its own device");
    if (own || !could_start(*task)) continue;
    for (const auto* holder : open_tasks())
      if (holds_slot(holder->state) && holder->facts.priority != Priority::security)
        fault(name_of(*task) + " waits, though " + name_of(*holder) + " holds a slot");
  }
}

void Model::restart() {
  for (auto* task : open_tasks()) {
    if (!task->stall_told && task->have != task->stored) task->stall_told = task->stall_before;
    task->have = task->stored;  // what was only in memory is to be told again
    task->wrong_unsure = true;
    task->stirred = false;
    task->heard_since_stall = false;
    task->unsure_since_stall = true;
  }
  for (auto& [id, device] : devices) device.transfer_moved = false;
}

void Model::restarted(Millis at) {
  if (at < now || at > std::max(now, Millis{wall.time_since_epoch()})) fault("the timeline moved by a restart");
  now = at;
}

}  // namespace ota::engine::model
