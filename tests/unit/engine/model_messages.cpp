// What each message or order may bring about, from docs/device-protocol.md and docs/rest.md.
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
  permit(task, {attempt_failed}, must, reason);
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

bool Model::end_unfit(const std::string& device, const std::string& hardware) {
  bool any = false;
  for (auto* task : open_tasks()) {
    if (task->facts.device != device || task->facts.hardware.empty() || task->facts.hardware == hardware) continue;
    const auto ends = [&](const auto& permit) { return permit.task == task->facts.id.number && permit.must; };
    if (std::any_of(permits_.begin(), permits_.end(), ends)) continue;  // by what it runs
    permit(*task, {wrong_hardware}, true, "wrong_hardware");
    any = true;
  }
  return any;
}

bool Model::runs(const std::string& device, const std::string& version) {
  auto& entry = devices[device];
  const bool news = !entry.confirmed || !entry.tells || entry.current != version;
  entry.current = version;
  entry.confirmed = entry.tells = true;
  const int rank = rank_of(version);
  auto* active = active_of(device);
  auto* last = find(entry.last_update);
  if (news && last && last != active && is_ended(last->state)) {
    const int wanted = rank_of(last->facts.version);
    if (rank == wanted && (last->state == State::failed || (last->state == State::succeeded && !last->confirmed)))
      permit(*last, {confirmed}, true);
    else if (rank != wanted && last->state == State::succeeded && (rank < wanted || rank == rank_of(last->from)))
      permit(*last, {other_version}, true, "rolled_back");
  }
  bool ends = false;
  for (auto* task : open_tasks()) {
    if (task->facts.device != device) continue;
    const int wanted = rank_of(task->facts.version);
    std::set<TaskEvent> how;
    if (task->state == State::installing) {
      const bool before = rank == rank_of(task->from);
      if (rank == wanted) {
        how = {confirmed};
      } else if (!before && !task->facts.force && rank > wanted) {
        how = {supersede};
      } else if (task->from.empty()) {
        task->from = version;
      } else if (!before) {
        how = {other_version};
      }
    } else if (news) {
      // What it ran before stays what it falls back to.
      if (task == active && (task->facts.force || rank != wanted)) task->from = version;
      if (task->facts.force || rank < wanted) continue;
      how = {supersede};
      if (rank == wanted) how = {confirmed};
      if (rank == wanted && task->state == State::queued) how = {confirmed, supersede};
    }
    if (how.empty()) continue;
    permit(*task, how, true);
    ends = ends || task == active;
  }
  return ends;
}

void Model::request(const std::string& device, const DeviceRequest& message) {
  auto& entry = devices[device];
  asked_ = message;
  const bool other = message.hardware && *message.hardware != entry.hardware;
  heard(device, true);
  if (message.hardware) entry.reported.clear();
  if (other && entry.registered && !entry.hardware.empty()) {
    entry.reported = *message.hardware;
    end_unfit(device, *message.hardware);
    expected_ = {{"error"}, {Errc::wrong_hardware}, {}, {}};
    return;
  }
  if (message.hardware) entry.hardware = *message.hardware;
  auto* active = active_of(device);
  if (active) word_on(*active);
  const bool done = message.current_version && entry.reported.empty() && runs(device, *message.current_version);
  if (other && end_unfit(device, *message.hardware)) {
    expected_ = {{"error"}, {Errc::wrong_hardware}, {}, {}};
    return;
  }
  if (!message.version || (active && !done)) return;
  request_refusals_ = refusals(device, *message.version, {}, false, true);
  const auto* open_one = open_of(device, *message.version);
  if ((request_refusals_.empty() || hardware_open_) && (!open_one || (done && open_one == active))) {
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
    if (message.state) expect_late_report(*task, message);
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

/// What a device says of its last update counts though it ended; of others it doesn't.
void Model::expect_late_report(TaskModel& task, const ProgressReport& message) {
  auto& device = devices[task.facts.device];
  if (device.last_update != task.facts.id.number) return;
  const bool open = task.state == State::succeeded || task.state == State::failed;
  if (message.state == DeviceState::installed) {
    expected_.types = {"none"};
    if (task.state == State::succeeded && task.confirmed) return;
    if (open) permit(task, {confirmed}, true);
    device.current = task.facts.version;
    device.confirmed = true;
  } else if (open && (message.state == DeviceState::rolled_back || message.state == DeviceState::failed)) {
    const bool back = message.state == DeviceState::rolled_back;
    expected_.types = {"failed"};
    if (task.state == State::succeeded || task.reason == "confirm_timeout")
      permit(task, {back ? rolled_back : install_failed}, true, back ? "rolled_back" : "device_failed");
  }
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
    // One that grows is no stall.
    if (slot && *message.percent > task.percent && task.stall_told)
      task.stall_before = std::exchange(task.stall_told, std::nullopt);
    if (slot) task.percent = *message.percent;
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
    case DeviceState::postponed:
      return;
    case DeviceState::installed:
      if (task.state != State::installing) return;
      permit(task, {confirmed}, true);
      devices[task.facts.device].current = task.facts.version;
      devices[task.facts.device].confirmed = true;
      expected_.types = {"none"};
      return;
    case DeviceState::rolled_back:
      if (task.state != State::installing) return;
      expected_ = {{"failed"}, {}, task.facts.id.number, "rolled_back"};
      return permit(task, {rolled_back}, true);
    case DeviceState::failed:
      if (task.state == State::installing) {
        expected_ = {{"failed"}, {}, task.facts.id.number, "device_failed"};
        return permit(task, {install_failed}, true, "device_failed");
      }
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
  const bool confirms = task.facts.confirm == Confirm::always ||
                        (task.facts.confirm == Confirm::automatic && devices[task.facts.device].tells);
  if (right && confirms && holder && holder != &task) {
    expected_.types = {"queued"};
    return;
  }
  if (right) {
    const bool repeat = message.attempt.value_or(task.attempt) < task.attempt;
    expected_.types = {"success"};
    if (repeat) expected_.types.insert("retry");
    return permit(task, {confirms ? verified_pending_confirm : verified}, !repeat);
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

void Model::transferred_chunks(std::int64_t number, const ChunkRange& range) {
  auto* task = find(number);
  if (!task || !holds_slot(task->state)) return;
  const auto before = task->have;
  record(*task, {range}, true);
  if (before != task->have) task->stirred = true;
  transferred_bytes(number);
}

void Model::reported(const std::string& device) {
  heard(device, false);
  devices[device].transfer_moved = true;
}

void Model::transferred_bytes(std::int64_t number) {
  auto* task = find(number);
  if (!task || !holds_slot(task->state)) return;
  task->unsure_since_stall = true;
  devices[task->facts.device].transfer_moved = true;
}

}  // namespace ota::engine::model
