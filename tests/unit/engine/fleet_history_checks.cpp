// What must hold after each step of a history.
#include "storage/sqlite_database.hpp"
#include "unit/engine/fleet_history.hpp"

#include "ota/domain/version.hpp"

namespace ota::engine::fleet {
namespace {

template <class E>
std::optional<E> optional_of(const SQLite::Column& column) {
  if (column.isNull()) return {};
  return static_cast<E>(column.getInt64());
}

std::string text_of(const Rollout& r) {
  return std::string(to_string(r.state)) + " " + r.reason + " stage " + std::to_string(r.stage) + " N " +
         std::to_string(r.total) + " B " + std::to_string(r.budget) + (r.passed_tl ? " passed" : "") +
         (r.delay_over ? " advanced" : "");
}

bool before_gate(TaskState state) { return !is_ended(state) && state != TaskState::installing; }

/// Whether the table leads from one state to the other.
bool leads(RolloutState from, RolloutState to) {
  std::set<RolloutState> reached{from};
  for (bool more = true; more;) {
    more = false;
    for (const auto& row : rollout_transitions())
      if (row.from && reached.contains(*row.from)) more |= reached.insert(row.to).second;
  }
  return reached.contains(to);
}

}  // namespace

void FleetHistory::fast() { storage::sqlite(*db).handle().exec("PRAGMA synchronous=OFF"); }

void FleetHistory::begin(const std::string& what) {
  story.push_back(std::to_string(steps_done) + " at " + to_rfc3339(clock.wall()) + ": " + what);
  if (story.size() > story_length) story.pop_front();
  random.value = static_cast<double>(below(100'000)) / 100'000;
  created_now.clear();
}

std::map<std::string, Known> FleetHistory::known_devices() {
  std::map<std::string, Known> found;
  SQLite::Statement rows(storage::sqlite(*db).handle(), "SELECT id, channel, current_version, pinned FROM devices");
  while (rows.executeStep())
    found[rows.getColumn(0).getString()] = {rows.getColumn(1).getString(), rows.getColumn(2).getString(),
                                            rows.getColumn(3).getInt() != 0};
  return found;
}

std::map<std::int64_t, Rollout> FleetHistory::known_rollouts() {
  std::map<std::int64_t, Rollout> found;
  for (auto& rollout : service->rows.rollouts().living()) found.emplace(rollout.id.number, std::move(rollout));
  return found;
}

void FleetHistory::observe() {
  ++steps_done;
  follow_log();
  check_rollouts();
  check_counters();
  devices_before = known_devices();
  rollouts_before = known_rollouts();
  if (const auto thrown = EngineDriver::chores_fault(*loop); !thrown.empty()) fault("the engine's own work threw: " + thrown);
}

void FleetHistory::follow_log() {
  SQLite::Statement log(storage::sqlite(*db).handle(),
                        "SELECT id, task, kind, event, reason, from_state, to_state FROM transfer_log WHERE id > ? AND "
                        "kind IN ('created', 'state') ORDER BY id");
  log.bind(1, last_log);
  while (log.executeStep()) {
    last_log = log.getColumn(0).getInt64();
    const auto task = service->rows.tasks().find(log.getColumn(1).getInt64());
    if (!task) continue;
    const auto event = log.getColumn(3).getString();
    const auto reason = log.getColumn(4).getString();
    const auto from = optional_of<TaskState>(log.getColumn(5));
    const auto to = optional_of<TaskState>(log.getColumn(6));
    if (log.getColumn(2).getString() == "state") ++seen[event];
    story.back() += "\n      " + std::to_string(task->id.number) + " of " + task->device + " " + task->version +
                    (task->rollout ? " in " + std::to_string(task->rollout) : "") + ": " +
                    (event.empty() ? "created" : event) + (to ? " -> " + std::string(to_string(*to)) : "") + " " + reason;
    if (!event.empty() && to) follow(*task, event, from, *to, reason);
    if (event.empty() && task->rollout != 0) {
      created_now.insert(task->id.number);
      check_admission(*task);
    }
  }
}

void FleetHistory::follow(const Task& task, const std::string& event, std::optional<TaskState> from, TaskState to,
                          const std::string& reason) {
  if (task.rollout == 0) return;
  const auto number = task.id.number;
  const std::string name = "task " + std::to_string(number);
  if (to == TaskState::installing && from != to) {
    check_pass(task);
    if (++passed[number] > postponed[number] + 1) fault(name + " passed the gate twice");
  }
  if (event == "postpone") ++postponed[number];
  if (to == TaskState::expired) fault(name + " of a rollout expired");
  const bool lives = rollouts_before.contains(task.rollout);
  if (lives && from == TaskState::installing && to == TaskState::cancelled && reason == "rollout_cancelled")
    fault(name + " was past the gate and ended with its rollout");
}

void FleetHistory::check_budget(const Task& task, const Rollout& rollout, std::int64_t budget) {
  const auto counts = service->rows.rollouts().counts(rollout.id.number);
  const auto holds = [&](const BucketCounts& c, const std::string& of) {
    const auto bad = at(c, Bucket::failed) + at(c, Bucket::overdue);
    const auto soaking = at(c, Bucket::soaking);
    const double worst = static_cast<double>(bad) + static_cast<double>(soaking) * failure_bound(bad, at(c, Bucket::healthy));
    if (worst <= static_cast<double>(budget) + 1e-6) return;
    fault("task " + task.id.str() + " passed the gate of " + rollout.id.str() + " against the budget rule for " + of + ": " +
          std::to_string(bad) + " bad, " + std::to_string(soaking) + " soaking, " + std::to_string(at(c, Bucket::healthy)) +
          " healthy, budget " + std::to_string(budget));
  };
  holds(counts.all(), "all");
  holds(counts.of_version(task.from_version), "version '" + task.from_version + "'");
  holds(counts.of_contact(task.contact), "contact " + std::string(to_string(task.contact)));
}

void FleetHistory::check_pass(const Task& task) {
  const auto now = service->rollouts.read(task.rollout);
  const auto device = row_of(task.device);
  const auto name = "task " + task.id.str() + " of " + task.device;
  if (!now || !device) return fault(name + " passed the gate without a rollout or device");
  const auto found = rollouts_before.find(task.rollout);
  const auto& before = found == rollouts_before.end() ? *now : found->second;
  if (!gate_is_open(now->state) && !gate_is_open(before.state)) fault(name + " passed the gate of " + text_of(*now));
  const auto firmware = service->rows.firmware.find(task.firmware_id);
  if (!firmware || firmware->blocked) fault(name + " passed the gate with blocked firmware");
  const auto* channel = service->channels.find(now->spec.channel);
  if (channel && !now->spec.ignore_window && !window_state(channel->windows, device->timezone, clock.wall()).open)
    fault(name + " passed the gate outside its window");
  if (now->spec.max_soaking) {
    const auto counts = service->rows.rollouts().counts(task.rollout);
    const auto most = std::max(*now->spec.max_soaking, before.spec.max_soaking.value_or(0));
    if (counts.of(Bucket::soaking) + counts.of(Bucket::overdue) > most) fault(name + " passed the gate: max_soaking");
  }
  if (now->spec.max_failures.is_all() || before.spec.max_failures.is_all()) return;
  if (task.state == TaskState::installing) check_budget(task, *now, std::max(now->budget, before.budget));
}

void FleetHistory::check_admission(const Task& task) {
  const auto now = service->rollouts.read(task.rollout);
  const auto device = row_of(task.device);
  const auto name = "task " + task.id.str() + " of " + task.device;
  if (!now || !device) return fault(name + " was made without a rollout or device");
  const auto known = devices_before.find(task.device);
  const bool both = known != devices_before.end();
  const auto& spec = now->spec;
  if (device->pinned) fault(name + " was made though the device is pinned");
  if (device->channel != spec.channel) fault(name + " was made by a rollout of another channel");
  if (!task.fits(device->hardware)) fault(name + " was made for other hardware");
  const bool ahead = newer_version(device->current_version, task.version) &&
                     (!both || newer_version(known->second.version, task.version));
  if (ahead && !spec.force) fault(name + " was made though the device is ahead: " + device->current_version);
  const bool same = same_version(device->current_version, task.version) &&
                    (!both || same_version(known->second.version, task.version));
  if (same) fault(name + " was made though the device runs " + task.version);
  if (task.retry_of != 0) return;
  const auto found = rollouts_before.find(task.rollout);
  const auto was = found == rollouts_before.end() ? now->state : found->second.state;
  const auto admits_now = [](RolloutState s) { return s == RolloutState::running || s == RolloutState::completed; };
  if (!admits_now(now->state) && !admits_now(was)) fault(name + " was made by a rollout that is " + text_of(*now));
  SQLite::Statement failed(storage::sqlite(*db).handle(),
                           "SELECT number FROM tasks AS t WHERE device=? AND version=? AND number<? AND state=6 AND rollout "
                           "IS NOT NULL AND NOT EXISTS (SELECT 1 FROM tasks AS r WHERE r.retry_of=t.number)");
  failed.bind(1, task.device);
  failed.bind(2, task.version);
  failed.bind(3, task.id.number);
  while (failed.executeStep()) {
    const auto before = service->rows.tasks().find(failed.getColumn(0).getInt64());
    if (before && (before->passed_tl || before->rollout == task.rollout))
      fault(name + " was made though the device failed that version: " + before->id.str());
  }
}

void FleetHistory::check_transition(const Rollout& before, const Rollout& after) {
  if (before.state == after.state) return;
  ++seen["rollout_" + std::string(to_string(after.state))];
  story.back() += "\n      rollout " + std::to_string(after.id.number) + " " + after.spec.version + ": " +
                  std::string(to_string(before.state)) + " -> " + text_of(after);
  if (!leads(before.state, after.state))
    fault("rollout " + after.id.str() + " went from " + text_of(before) + " to " + text_of(after));
}

void FleetHistory::check_rollouts() {
  const auto now = known_rollouts();
  std::set<std::pair<std::string, std::string>> open;
  for (const auto& [number, before] : rollouts_before)
    if (const auto after = service->rollouts.read(number))
      check_transition(before, *after);
    else
      fault("rollout " + before.id.str() + " is gone");
  for (const auto& [number, rollout] : now) {
    const auto* known = service->rollouts.find(number);
    if (!known || text_of(*known) != text_of(rollout))
      fault("rollout " + rollout.id.str() + " is " + text_of(rollout) + ", in memory " + (known ? text_of(*known) : "unknown"));
    if (is_open(rollout.state) && !open.insert({rollout.spec.channel, rollout.hardware}).second)
      fault("two rollouts are open for channel " + rollout.spec.channel + " and hardware " + rollout.hardware);
    if (!known) continue;
    const auto next = ota::decide(*known, service->rollouts.counts(number), service->rollouts.firmware(*known),
                             service->rollouts.limits(), service->now(), clock.wall());
    const bool by_wall = next.step == Step::start || next.step == Step::expire;
    if (next.step != Step::none && !(by_wall && wall_jumped))
      fault("rollout " + rollout.id.str() + " (" + text_of(rollout) + ") has something to do: " +
            std::to_string(static_cast<int>(next.step)) + " " + std::string(next.reason));
  }
  service->rows.unit.discard();
  if (service->rows.rollouts().living().size() != now.size()) fault("rollouts in memory");
  SQLite::Statement left(storage::sqlite(*db).handle(),
                         "SELECT t.number, t.state FROM tasks t JOIN rollouts r ON r.number=t.rollout WHERE (t.state<4 OR "
                         "t.state=9) AND r.state>=8");
  if (left.executeStep() && before_gate(static_cast<TaskState>(left.getColumn(1).getInt())))
    fault("task " + std::to_string(left.getColumn(0).getInt64()) + " waits before the gate of a rollout that has ended");
}

void FleetHistory::check_counters() {
  if (const auto wrong = service->rows.rollouts().recount(); wrong > 0)
    fault(std::to_string(wrong) + " counters of rollouts were wrong");
  const std::string counted =
      "SELECT channel, hardware, current_version, pinned, COALESCE(last_seen / 86400000, -1), COUNT(*) FROM devices "
      "GROUP BY 1, 2, 3, 4, 5";
  const std::string kept = "SELECT channel, hardware, version, pinned, day, n FROM fleet WHERE n<>0";
  SQLite::Statement wrong(storage::sqlite(*db).handle(),
                          "SELECT * FROM (SELECT * FROM (" + counted + " EXCEPT " + kept + ") UNION ALL SELECT * FROM (" +
                              kept + " EXCEPT " + counted + "))");
  if (wrong.executeStep())
    fault("the fleet's counter of " + wrong.getColumn(0).getString() + "/" + wrong.getColumn(1).getString() + "/" +
          wrong.getColumn(2).getString() + " is wrong: " + wrong.getColumn(5).getString());
}

/// What was explained of the device right before its message is what it got.
void FleetHistory::check_explained(const DeviceExplanation& before, const Body& body, const Answer& answer) {
  if (std::holds_alternative<ErrorAnswer>(answer)) return;
  ++seen["verdict_" + std::string(before.verdict)];
  const auto verdict = std::string(before.verdict);
  const auto about = before.device + " was explained as " + verdict;
  if (const auto* asks = std::get_if<DeviceRequest>(&body)) {
    const bool plain = asks->current_version && *asks->current_version == before.runs && !asks->version &&
                       verdict != "absent" && verdict != "unknown_device" && !before.runs.empty();
    if (!plain) return;
    if (verdict == "admitted" && created_now.empty()) fault(about + " and got no task");
    const bool waits = before.by == "order" || !before.checks.empty();
    if (verdict != "admitted" && !created_now.empty() && waits && std::holds_alternative<UpToDateAnswer>(answer))
      fault(about + " and was admitted");
  }
  const auto* verify = std::get_if<VerifyReport>(&body);
  if (!verify || before.checks.empty() || before.checks.front().check != "task") return;
  // That which was explained.
  if (!before.checks.front().detail.starts_with(verify->task.str())) return;
  const auto* hold = std::get_if<HoldAnswer>(&answer);
  const bool passes = std::holds_alternative<SuccessAnswer>(answer);
  static const std::map<std::string, HoldReason> kAtGate{
      {"window", HoldReason::window}, {"postponed", HoldReason::postponed}, {"paused", HoldReason::paused},
      {"halted", HoldReason::halted}, {"waiting_approval", HoldReason::approval}, {"pace", HoldReason::pace}};
  const auto expected = kAtGate.find(verdict);
  if (expected == kAtGate.end()) return;
  ++seen["held_" + verdict];
  if (passes) fault(about + " and was let through");
  if (hold && hold->reason != expected->second)
    fault(about + " and was held for " + std::string(to_string(hold->reason)));
}

}  // namespace ota::engine::fleet
