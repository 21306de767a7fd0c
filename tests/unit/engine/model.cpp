// Following the log: each event judged by the promises, then taken over.
#include "unit/engine/model.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ota::engine::model {
namespace {

using State = TaskState;
using enum TaskEvent;

constexpr auto kRises = std::chrono::hours(1);

std::optional<TaskEvent> parse_event(const std::string& text) {
  for (const auto& row : transitions())
    if (to_string(row.event) == text) return row.event;
  return {};
}

Cause cause_of(const std::string& by) {
  if (by == "device") return Cause::device;
  if (by == "engine") return Cause::engine;
  if (by == "timer") return Cause::timer;
  return Cause::operator_;
}

bool in_table(State from, TaskEvent event, Cause by, State to) {
  const auto rows = transitions();
  return std::any_of(rows.begin(), rows.end(), [&](const Transition& row) {
    return row.from == from && row.event == event && row.by == by && row.to == to;
  });
}

}  // namespace

int rank_of(const std::string& version) {
  const auto digit = version.find_first_of("0123456789");
  return digit == std::string::npos ? -1 : version[digit] - '0';
}

std::string name_of(const TaskModel& task) {
  return "task " + std::to_string(task.facts.id.number) + " (" + task.facts.device + ", " + task.facts.version + ", " +
         std::string(to_string(task.facts.priority)) + ", " + std::string(to_string(task.state)) + ", attempt " +
         std::to_string(task.attempt) + ")";
}

ChunkRanges missing_of(const std::vector<bool>& have) {
  ChunkRanges ranges;
  for (std::uint32_t i = 0; i < have.size(); ++i) {
    if (have[i]) continue;
    if (!ranges.empty() && ranges.back().last + 1 == i)
      ranges.back().last = i;
    else
      ranges.push_back({i, i});
  }
  return ranges;
}

void Model::begin(Millis at, WallTime wall_time) {
  now = at;
  wall = wall_time;
  permits_.clear();
  may_create_.clear();
  must_create_ = created_ = hardware_open_ = false;
  following_ = true;
  expected_ = {};
  asked_.reset();
  request_refusals_.clear();
  heard_.clear();
  granted_.clear();
  preempted_.clear();
  told_.clear();
  spent_.clear();
  for (auto* task : open_tasks()) task->open_have = false;
}

void Model::follow(const Event& line, const std::function<Task(std::int64_t)>& read) {
  if (line.kind == "created") return created(read(line.task));
  auto* task = find(line.task);
  if (line.kind == "layout" && task) smaller_grid(*task, read(line.task).chunk_bytes);
  if (line.kind != "state") return;
  if (!task) return fault("a change of task " + std::to_string(line.task) + ", which was never made");
  const auto event = parse_event(line.event);
  if (!event || !line.from || !line.to) return fault("a state line without from, event and to: " + name_of(*task));
  if (*line.from != task->state || !in_table(*line.from, *event, cause_of(line.by), *line.to))
    fault(name_of(*task) + ": the table has no " + line.event + " by " + line.by + " from " +
          std::string(to_string(*line.from)) + " to " + std::string(to_string(*line.to)));
  judge(*task, *event, line);
  apply(*task, *event, *line.to);
  if (*event == grant && !std::exchange(task->ever_offered, true)) {
    // A device that meanwhile said what it can take may have made the grid of a task that is new to it finer.
    task->facts.chunk_bytes = read(line.task).chunk_bytes;
    task->have.resize(task->facts.grid().count());
  }
  if (*event == attempt_failed) smaller_grid(*task, read(line.task).chunk_bytes);
  if (!line.reason.empty()) task->reason = line.reason;
}

/// A new attempt may bring chunks of half the size, a request those that the device takes now: it has each new one that
/// lies in old ones that it has.
void Model::smaller_grid(TaskModel& task, std::uint32_t chunk_bytes) {
  const auto before = task.facts.grid();
  if (chunk_bytes > before.chunk_bytes) fault(name_of(task) + " got larger chunks");
  if (chunk_bytes >= before.chunk_bytes) return;
  task.facts.chunk_bytes = chunk_bytes;
  const auto now_grid = task.facts.grid();
  for (auto* bits : {&task.have, &task.stored}) {
    std::vector<bool> finer(now_grid.count());
    for (std::uint32_t i = 0; i < now_grid.count(); ++i) {
      const auto end = now_grid.offset(i) + now_grid.length(i);
      bool all = true;
      for (auto old = now_grid.offset(i) / before.chunk_bytes; old * before.chunk_bytes < end; ++old)
        all = all && (*bits)[old];
      finer[i] = all;
    }
    *bits = std::move(finer);
  }
}

void Model::created(const Task& row) {
  if (row.id.number <= last_number_) fault("task number " + std::to_string(row.id.number) + " came before");
  last_number_ = std::max(last_number_, row.id.number);
  if (!may_create_.contains({row.device, row.version}) || created_)
    fault("nobody asked for task " + std::to_string(row.id.number) + " of " + row.device + ", " + row.version);
  if (open_of(row.device, row.version)) fault("a second open task for " + row.device + ", " + row.version);
  created_ = true;
  TaskModel task;
  task.facts = row;
  task.from = row.from_version;
  task.have.assign(row.grid().count(), false);
  task.stored = task.have;
  task.created = task.queued_since = task.entered = now;
  if (row.not_before) task.wait_due = now + (*row.not_before - wall);
  if (row.expires_at) task.expiry_due = now + (*row.expires_at - wall);
  tasks.emplace(row.id.number, std::move(task));
}

void Model::judge(TaskModel& task, TaskEvent event, const Event& line) {
  auto refuse = [&](const std::string& why) { fault(name_of(task) + ": " + line.event + ", though " + why); };
  const Millis stall = std::chrono::seconds(options_.tasks.stall_timeout_s);
  const bool by_timer = line.by == "timer";
  // Where nobody but the device asked for the task, or did when it said so, what it says it has moves nothing.
  const bool by_itself = task.facts.created_by == "device";
  const auto told = by_itself && !task.stall_told ? task.stall_before : task.stall_told;
  if (event == attempt_failed && task.attempt >= options_.tasks.max_attempts) refuse("no attempt is left");
  if (event == attempts_used_up && task.attempt < options_.tasks.max_attempts) refuse("attempts are left");
  switch (event) {
    case grant:
      return judge_grant(task);
    case preempt:
      return judge_preempt(task);
    case chunk:
      if (!task.stirred && !use_permit(task.facts.id.number, event, {})) refuse("no new chunk came");
      return;
    case expire:
      if (!task.expiry_due || *task.expiry_due > now) refuse("its time has not come");
      return;
    case offer_timeout:
      if (now - task.last_word < std::chrono::seconds(options_.tasks.offer_timeout_s)) refuse("it was heard lately");
      return;
    case confirm_timeout:
      if (now - task.entered < std::chrono::seconds(options_.tasks.confirm_timeout_s)) refuse("there is time left");
      return;
    case device_silent:
      if (!told || now - *told < stall) return refuse("it was not told of a stall before");
      if (task.heard_since_stall) refuse("it was heard");
      return;
    case supersede: {
      const auto& device = task.facts.device;
      const auto& current = devices[device].current;
      if (task.facts.force || current.empty() || rank_of(current) < rank_of(task.facts.version))
        refuse("its device has '" + current + "'");
      return;
    }
    case attempt_failed:
    case attempts_used_up:
      if (by_timer) {
        if (line.reason != "stalled") refuse("a timer is no evidence of " + line.reason);
        if (!told || now - *told < stall) return refuse("it was not told of a stall before");
        if (!task.heard_since_stall && !task.unsure_since_stall) refuse("it was not heard");
        return;
      }
      [[fallthrough]];
    default:
      if (!use_permit(task.facts.id.number, event, line.reason)) refuse("nothing was said for it: " + line.reason);
  }
}

void Model::judge_grant(const TaskModel& task) {
  if (slots() >= options_.tasks.max_active) fault(name_of(task) + " was offered, though no slot is free");
  if (!could_start(task)) fault(name_of(task) + " was offered, though it can't start now");
  if (slow_digests) return;  // the other's may not be there yet
  for (const auto* other : open_tasks())
    if (other != &task && could_start(*other) && !other->parked && !resting(*other) && surely_before(*other, task))
      fault(name_of(task) + " was offered before " + name_of(*other));
}

void Model::judge_preempt(const TaskModel& task) {
  if (task.facts.priority == Priority::security) return fault(name_of(task) + " gave way, though it is security");
  bool needed = false;
  for (const auto* other : open_tasks()) {
    const bool ordered =
        task.facts.unasked && !other->facts.unasked;  // nobody asked for the one, somebody for the other
    if ((other->facts.priority != Priority::security && !ordered) || !could_start(*other, &task)) continue;
    needed = needed || other->facts.device == task.facts.device || slots() >= options_.tasks.max_active;
  }
  if (!needed) return fault(name_of(task) + " gave way to nobody");
  for (const auto* other : open_tasks()) {
    const bool ordered = task.facts.unasked && !other->facts.unasked;
    const bool own =
        (other->facts.priority == Priority::security || ordered) && other->facts.device == task.facts.device;
    if (own && could_start(*other, &task)) return;  // its own device needs it: which is lowest doesn't matter
  }
  for (const auto* other : open_tasks())
    if (holds_slot(other->state) && other->facts.priority != Priority::security &&
        std::pair(other->facts.unasked, best_class(*other)) > std::pair(task.facts.unasked, worst_class(task)))
      fault(name_of(task) + " gave way, though " + name_of(*other) + " is lower");
}

void Model::apply(TaskModel& task, TaskEvent event, TaskState to) {
  const bool was_active = holds_slot(task.state);
  if (to == State::installing && task.wait_due) task.wait_overtaken = *std::exchange(task.wait_due, std::nullopt);
  task.state = to;
  task.entered = now;
  task.stirred = false;
  if (event == attempt_failed) {
    ++task.attempt;
    task.percent = 0;
    task.wrong.clear();
    task.wrong_unsure = false;
    task.stall_told.reset();
    task.retry_early = now;
    task.retry_late = now + std::chrono::seconds(options_.tasks.retry_backoff_max_s);
    spent_.insert(task.facts.id.number);
  }
  if (event == offer_timeout || event == device_silent) task.parked = true;
  if (event == grant) {
    task.parked = false;
    task.percent = 0;
    granted_.insert(task.facts.id.number);
    task.last_word = now;
    task.stall_told.reset();
  }
  if (event == preempt) preempted_.insert(task.facts.id.number);
  if (to == State::queued) {
    task.queued_since = now;
    if (was_active) task.wrong_unsure = true;
  }
  auto& device = devices[task.facts.device];
  if (event == grant) task.from = device.current;
  if (event == verified || event == verified_pending_confirm) {
    if (!device.current.empty()) task.from = device.current;
    task.confirmed = false;
    device.last_update = task.facts.id.number;
  }
  if (event == verified) {
    device.current = task.facts.version;
    device.confirmed = false;
  }
  if (event == confirmed) {
    task.confirmed = true;
    task.reason.clear();
    device.last_update = task.facts.id.number;
  }
  if (event == rolled_back || event == install_failed || event == other_version) {
    task.confirmed = false;
    if (rank_of(device.current) == rank_of(task.facts.version) && task.from != task.facts.version) {
      device.current = task.from;
      device.confirmed = false;
    }
    if (event == install_failed && device.current == task.from) device.confirmed = false;
  }
  if (to == State::succeeded) {
    for (auto* other : open_tasks())
      if (other->facts.device == task.facts.device && other->state == State::queued && !other->facts.force &&
          rank_of(other->facts.version) <= rank_of(task.facts.version))
        permit(*other, {supersede, confirmed}, true);
  }
  if (event == supersede) use_permit(task.facts.id.number, event, {});
}

bool Model::use_permit(std::int64_t task, TaskEvent event, const std::string& reason) {
  bool found = false;
  for (auto& p : permits_) {
    if (p.task != task || p.used || !p.events.contains(event)) continue;
    if (!p.reason.empty() && p.reason != reason) continue;
    found = p.used = true;
  }
  return found;
}

void Model::pushed(const std::string& device, const Answer& answer, bool restarted) {
  if (const auto* offer = std::get_if<Offer>(&answer)) {
    told_.insert(offer->task.number);
    agree_offer(device, *offer);
  } else if (const auto* again = std::get_if<RetryAnswer>(&answer)) {
    agree_retry(device, *again);
    auto* task = find(again->offer.task.number);
    if (!task || again->reason != "stalled" || restarted || spent_.contains(again->offer.task.number)) return;
    task->stall_told = now;
    task->heard_since_stall = task->unsure_since_stall = false;
  } else if (const auto* stop = std::get_if<CancelAnswer>(&answer)) {
    if (stop->reason == CancelReason::preempted) preempted_.erase(stop->task.number);
  } else if (std::holds_alternative<FailedAnswer>(answer)) {
    agree(device, answer);
  } else {
    fault("pushed unasked to " + device + ": " + std::string(type_of(answer)));
  }
}

void Model::end() {
  for (const auto& p : permits_)
    if (p.must && !p.used)
      fault("should have happened: " + std::string(to_string(*p.events.begin())) + " of " + name_of(tasks.at(p.task)));
  if (must_create_ && !created_) fault("a task should have been made");
  for (const auto number : preempted_) fault(name_of(tasks.at(number)) + " was not told that it was preempted");
  for (const auto number : granted_)
    if (!told_.contains(number) && tasks.at(number).state == State::offered)
      fault(name_of(tasks.at(number)) + " was not told of its offer");
  check_queue();
}

Priority Model::best_class(const TaskModel& task) const {
  return now - task.created >= kRises ? boosted(task.facts.priority) : task.facts.priority;
}

Priority Model::worst_class(const TaskModel& task) const {
  const Millis since = std::max(task.queued_since, task.wait_due.value_or(Millis{0}));
  return now - since >= kRises ? boosted(task.facts.priority) : task.facts.priority;
}

bool Model::surely_before(const TaskModel& a, const TaskModel& b) const {
  return std::tuple(a.facts.unasked, worst_class(a), a.facts.id.number) <
         std::tuple(b.facts.unasked, best_class(b), b.facts.id.number);
}

}  // namespace ota::engine::model
