// What each message or order may bring about, from protocol.md and api.md.
#include <algorithm>
#include <utility>

#include "unit/engine/model.hpp"

namespace ota::engine::model {

using State = TaskState;
using enum TaskEvent;

void Model::permit(const TaskModel& task, std::set<TaskEvent> events, bool must, std::string reason) {
  permits_.push_back({task.facts.id.number, std::move(events), std::move(reason), must, false});
}

void Model::permit_spend(const TaskModel& task, bool must, const std::string& reason) {
  if (task.attempt >= options_.tasks.max_attempts) return permit(task, {attempts_used_up}, must, reason);
  permit(task, {attempt_spent, attempt_requeued}, must, reason);
}

void Model::heard(const std::string& device, bool sure) {
  auto [word, fresh] = heard_.emplace(device, sure);
  if (!fresh) word->second = word->second || sure;
  if (sure) devices[device].present_until = now + std::chrono::seconds(options_.devices.present_s);
  for (auto* task : open_tasks()) {
    if (task->facts.device != device) continue;
    if (sure) {
      task->parked = false;
      task->unsure_since_stall = true;  // what it says of this task is sure, of others left open
    } else {
      task->unsure_since_stall = true;
    }
  }
}

void Model::word_on(TaskModel& task) {
  task.last_word = now;
  task.heard_since_stall = true;
}

void Model::record(TaskModel& task, const ChunkRanges& ranges, bool good) {
  for (const auto& range : ranges)
    for (auto i = range.first; i <= range.last; ++i) {
      if (good && !task.have[i] && task.stall_told) task.stall_before = std::exchange(task.stall_told, std::nullopt);
      task.have[i] = good;
    }
}

void Model::request(const std::string& device, const DeviceRequest& message) {
  auto& entry = devices[device];
  asked_ = message;
  if (entry.registered && message.hardware && *message.hardware != entry.hardware) {
    expected_ = {{"error"}, {Errc::wrong_hardware}, {}, {}};
    return heard(device, false);
  }
  heard(device, true);
  if (message.hardware) entry.hardware = *message.hardware;
  if (message.current_version) entry.current = *message.current_version;
  for (auto* task : open_tasks()) {
    if (task->facts.device != device) continue;
    if (task->state == State::installing && message.current_version == task->facts.version)
      permit(*task, {confirmed}, true);
    else if (task->state == State::queued)
      permit(*task, {supersede}, false);
  }
  auto* active = active_of(device);
  if (active) word_on(*active);
  const bool done = active && active->state == State::installing && message.current_version == active->facts.version;
  if (!message.version || (active && !done)) return;
  request_refusals_ = refusals(device, *message.version, {}, false);
  if ((request_refusals_.empty() || hardware_open_) && !open_of(device, *message.version)) {
    may_create_.insert({device, *message.version});
    // With other tasks waiting, or one that just ended, the documents don't say whether the named one is made as well.
    const auto open = open_tasks();
    must_create_ = request_refusals_.empty() &&
                   std::none_of(open.begin(), open.end(), [&](auto* task) { return task->facts.device == device; });
  }
}

TaskModel* Model::addressed(const std::string& device, const TaskId& id) {
  if (!devices.contains(device)) expected_.errors = {Errc::unknown_device};
  auto* task = find(id.number);
  if (!task || task->facts.device != device || task->facts.id.day != id.day) {
    expected_.types = {"error"};
    expected_.errors.insert(Errc::unknown_task);
    heard(device, false);
    return nullptr;
  }
  expected_.task = task->facts.id.number;
  return task;
}

void Model::progress(const std::string& device, const ProgressReport& message) {
  const bool known = devices.contains(device);
  auto* task = addressed(device, message.task);
  if (!task) return;
  if (message.state == DeviceState::installed && task->state == State::succeeded && is_last_success(*task))
    may_run_ = {device, task->facts.version};
  if (!known) {  // it was removed, so its tasks have ended
    expected_.types = {"error", "none", "failed"};
    expected_.errors.insert({Errc::task_ended, Errc::bad_chunk_range});
    return heard(device, false);
  }
  const ChunkGrid grid = task->facts.grid();
  const bool inside =
      std::all_of(message.chunks.begin(), message.chunks.end(), [&](const auto& range) { return grid.holds(range); });
  if (is_ended(task->state)) {
    expected_.types = {"error", "none", "failed"};
    expected_.errors = {Errc::task_ended};
    if (!inside) expected_.errors.insert(Errc::bad_chunk_range);
    return heard(device, false);
  }
  if (!inside) {
    expected_.types = {"error"};
    expected_.errors = {Errc::bad_chunk_range};
    return heard(device, false);
  }
  expect_progress(*task, message);
}

bool Model::is_last_success(const TaskModel& task) const {
  return task.state == State::succeeded && std::none_of(tasks.begin(), tasks.end(), [&](const auto& each) {
           const auto& other = each.second;
           return other.facts.device == task.facts.device && other.state == State::succeeded &&
                  other.entered > task.entered;
         });
}

void Model::expect_progress(TaskModel& task, const ProgressReport& message) {
  const bool slot = holds_slot(task.state);
  const bool retry_over = now >= task.retry_late;
  const bool retry_running = task.state == State::retry_wait && !task.stirred && now < task.retry_early;
  heard(task.facts.device, true);
  // What can't be said yet is refused; whether it counts as a word is left open.
  const Millis before = task.last_word;
  word_on(task);
  if (message.state == DeviceState::installed || message.state == DeviceState::rolled_back) task.last_word = before;
  if (!message.chunks.empty() && !slot) {
    task.open_have = !message.mismatch || task.state == State::queued;
    if (task.state == State::queued && !message.mismatch) record(task, message.chunks, true);
    expected_.types = {"none", "error", "retry", "cancel", "queued"};
    expected_.errors = {Errc::bad_message, Errc::task_ended};
  } else if (!message.chunks.empty() && message.mismatch) {
    bool third = false;
    for (const auto& range : message.chunks)
      for (auto i = range.first; i <= range.last; ++i) third = ++task.wrong[i] >= 3 || third;
    record(task, message.chunks, false);
    permit(task, {chunk}, false);  // it says that it downloads
    expected_ = {{"retry"}, {}, task.facts.id.number, "chunk_mismatch"};
    if (third) {
      expected_.types.insert("failed");
      permit_spend(task, !task.wrong_unsure, "chunk_mismatch");
    }
  } else if (!message.chunks.empty()) {
    const auto had = task.have;
    record(task, message.chunks, true);
    const bool fresh = had != task.have;
    if (fresh && task.state != State::downloading) permit(task, {chunk}, !task.stirred);
    if (fresh) task.unsure_since_stall = false;
    expected_.types = {"none"};
  } else if (message.percent) {
    task.unsure_since_stall = true;
    if (slot) permit(task, {chunk}, false);
    expected_.types = {"none"};
  }
  if (!message.state) return;
  expected_.types = {"none", "error"};
  expected_.errors = {Errc::bad_message};
  switch (*message.state) {
    case DeviceState::downloading:
      if (slot && task.state != State::downloading) permit(task, {chunk}, false);
      return;
    case DeviceState::installing:
    case DeviceState::rebooting:
      return;
    case DeviceState::installed:
      if (task.state == State::installing) permit(task, {confirmed}, true), expected_.types = {"none"};
      return;
    case DeviceState::rolled_back:
      if (task.state != State::installing) return;
      expected_ = {{"failed"}, {}, task.facts.id.number, "rolled_back"};
      return permit(task, {rolled_back}, true);
    case DeviceState::failed:
      if (!slot && task.state == State::queued) {
        expected_.types.insert({"retry", "failed", "queued", "cancel"});
        return permit_spend(task, false, "device_failed");
      }
      expected_ = {{task.attempt < options_.tasks.max_attempts ? "retry" : "failed"}, {}, task.facts.id.number, {}};
      if (!retry_over) expected_.types.insert("retry");
      if (!retry_running) permit_spend(task, retry_over, "device_failed");
      if (retry_running) expected_.types = {"retry"};
      return;
  }
}

void Model::verify(const std::string& device, const VerifyReport& message) {
  const bool known = devices.contains(device);
  auto* task = addressed(device, message.task);
  if (!task) return;
  heard(device, false);
  if (is_ended(task->state)) {
    const bool over = task->state == State::cancelled || task->state == State::expired;
    if (over) {
      expected_.types = {"error"};
      expected_.errors.insert(Errc::task_ended);
    } else {
      expected_.types = {task->state == State::succeeded ? "success" : "failed"};
    }
    if (!known || message.bad_chunks || message.attempt.value_or(1) > task->attempt) {
      expected_.types.insert("error");
      expected_.errors.insert({Errc::bad_chunk_range, Errc::bad_message});
    }
    return;
  }
  expect_verify(*task, message);
}

void Model::expect_verify(TaskModel& task, const VerifyReport& message) {
  const ChunkGrid grid = task.facts.grid();
  const auto bad = message.bad_chunks.value_or(ChunkRanges{});
  const bool inside = std::all_of(bad.begin(), bad.end(), [&](const auto& range) { return grid.holds(range); });
  const bool right = message.checksum == task.facts.checksum;
  const bool wrong = !inside || message.attempt.value_or(1) > task.attempt;
  if (wrong) {
    expected_.types = {"error"};
    expected_.errors = {Errc::bad_chunk_range, Errc::bad_message};
    if (task.state == State::installing) expected_.types.insert("success");
    return;
  }
  if (task.state == State::installing) {
    expected_.types = {"success"};
    return heard(task.facts.device, true);
  }
  heard(task.facts.device, true);
  const bool before = task.heard_since_stall;
  word_on(task);
  // One task a device is held at a time: a confirmation that would hold it waits for its turn.
  const auto* holder = active_of(task.facts.device);
  if (right && task.facts.confirm && holder && holder != &task) {
    expected_.types = {"queued"};
    return;
  }
  if (right) {
    const bool repeat = message.attempt.value_or(task.attempt) < task.attempt;
    expected_.types = {"success"};
    if (repeat) expected_.types.insert("retry");
    return permit(task, {task.facts.confirm ? image_right_hold : image_right}, !repeat);
  }
  const bool named = message.attempt.has_value();
  const bool older = named && *message.attempt < task.attempt;
  const bool waits = !named && now < task.retry_early;
  const bool unsure = !named && now < task.retry_late;
  if (older || waits) {
    task.heard_since_stall = before;  // whether a repeat is a word of life is left open
    expected_.types = {"retry"};
    if (task.state == State::queued) expected_.types.insert({"queued"});
    return;
  }
  const bool sure = holds_slot(task.state) && !unsure;
  const bool last = task.attempt >= options_.tasks.max_attempts;
  expected_.types = {last ? "failed" : "retry"};
  if (!sure) expected_.types.insert({"retry", "queued"});
  expected_.reason = sure ? "checksum_mismatch" : "";
  permit_spend(task, sure, "checksum_mismatch");
  // Which chunks go is evidence only if the attempt is spent; where that is open, so is the record.
  task.open_have = !sure;
  if (!sure) return;
  // It put all of the image together: what it doesn't name bad, it has.
  task.have.assign(task.have.size(), message.bad_chunks.has_value());
  record(task, bad, false);
}

void Model::download(std::int64_t number) {
  if (auto* task = find(number); task && !is_ended(task->state)) heard(task->facts.device, false);
}

void Model::downloaded(std::int64_t number, Access access) {
  const auto* task = find(number);
  Access wanted = Access::not_now;
  if (is_ended(task->state)) wanted = Access::ended;
  if (is_active(task->state)) wanted = Access::granted;
  if (slow_digests && access == Access::not_now && granted_.contains(number)) return;
  if (access != wanted) fault(name_of(*task) + ": its download was let in, or not, as it should not be");
}

void Model::board_chunks(std::int64_t number, const ChunkRange& range) {
  auto* task = find(number);
  if (!task || !holds_slot(task->state)) return;
  const auto before = task->have;
  record(*task, {range}, true);
  if (before != task->have) task->stirred = true;
  board_bytes(number);
}

void Model::reported(const std::string& device) {
  heard(device, false);
  devices[device].board_moved = true;
}

void Model::board_bytes(std::int64_t number) {
  auto* task = find(number);
  if (!task || !holds_slot(task->state)) return;
  task->unsure_since_stall = true;
  devices[task->facts.device].board_moved = true;
}

}  // namespace ota::engine::model
