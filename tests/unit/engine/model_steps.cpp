// What can happen in a history.
#include "unit/engine/model_driver.hpp"

namespace ota::engine::model {

void History::step() {
  const auto roll = below(100);
  if (roll < 52) return device_speaks();
  if (roll < 60) return old_message();
  if (roll < 66) return downloads();
  if (roll < 80) return operator_acts();
  if (roll < 97) return time_passes();
  if (roll < 99) return wall_jumps();
  crash();
}

TaskModel* History::some_task(int percent_open) {
  const auto open = model->open_tasks();
  if (!open.empty() && chance(percent_open)) return open[below(open.size())];
  if (model->tasks.empty()) return nullptr;
  // Lately made ones more than old ones.
  auto found = model->tasks.rbegin();
  std::advance(found, static_cast<long>(below(std::min<std::size_t>(model->tasks.size(), 20))));
  return &found->second;
}

ChunkRanges History::some_chunks(std::uint32_t count, bool beyond) {
  ChunkRanges ranges;
  const auto first = static_cast<std::uint32_t>(below(count));
  ranges.push_back({first, first + static_cast<std::uint32_t>(below(count - first))});
  if (beyond) ranges.back().last = count + static_cast<std::uint32_t>(below(3));
  return ranges;
}

History::Message History::some_request(const std::string& device) {
  DeviceRequest message;
  if (chance(90)) message.hardware = hardware_of(device);
  if (chance(1)) message.hardware = "gw-c";
  if (chance(25)) message.version = chance(95) ? some_version() : "9.9.9";
  if (chance(20)) message.max_chunk_bytes = 131'072;
  const auto* active = model->active_of(device);
  if (active && active->state == TaskState::installing && chance(50))
    message.current_version = chance(70) ? active->facts.version : active->from;
  else if (chance(15))
    message.current_version = chance(60) ? "0.5.0" : chance(20) ? "v" + some_version() : some_version();
  if (message.current_version == "") message.current_version.reset();
  return {device, message};
}

History::Message History::some_progress(const std::string& device, const TaskModel& task) {
  ProgressReport report;
  report.task = task.facts.id;
  const auto roll = below(100);
  const auto count = static_cast<std::uint32_t>(task.have.size());
  if (roll < 50) {
    report.chunks = some_chunks(count, chance(3));
  } else if (roll < 70) {
    report.chunks = some_chunks(count, chance(3));
    if (chance(60)) report.chunks = {{0, 0}};
    report.mismatch = true;
  } else if (roll < 76) {
    report.percent = static_cast<int>(below(101));
  } else {
    constexpr DeviceState kStates[] = {DeviceState::downloading, DeviceState::installing,  DeviceState::rebooting,
                                       DeviceState::installed,   DeviceState::rolled_back, DeviceState::failed};
    report.state = kStates[below(6)];
  }
  return {device, report};
}

History::Message History::some_verify(const std::string& device, const TaskModel& task) {
  VerifyReport report;
  report.task = task.facts.id;
  report.checksum = chance(35) ? task.facts.checksum : digest_of(200);
  if (chance(70)) report.attempt = task.attempt;
  if (chance(8)) report.attempt = static_cast<int>(1 + below(4));
  if (chance(30)) report.bad_chunks = some_chunks(static_cast<std::uint32_t>(task.have.size()), chance(5));
  return {device, report};
}

void History::device_speaks() {
  auto* task = some_task(90);
  Message message;
  const auto roll = below(100);
  if (!task || roll < 35) {
    message = some_request(some_device());
  } else {
    // Mostly its own task, and mostly one that is active.
    if (auto* active = model->active_of(task->facts.device); active && chance(80)) task = active;
    const auto device = chance(97) ? task->facts.device : some_device();
    message = roll < 80 ? some_progress(device, *task) : some_verify(device, *task);
  }
  if (bag.size() < 60)
    bag.push_back(message);
  else
    bag[below(bag.size())] = message;
  if (chance(93)) deliver(message);  // else: late
}

void History::old_message() {
  if (bag.empty()) return;
  const auto message = bag[below(bag.size())];
  deliver(message);
  if (chance(50)) deliver(message);
}

void History::downloads() {
  const auto* task = some_task(95);
  if (!task) return;
  const auto id = task->facts.id;
  const auto count = static_cast<std::uint32_t>(task->have.size());
  if (!transfers().active(id.number)) {
    begin("a download of " + std::to_string(id.number));
    model->download(id.number);
    const auto access = unit([&](auto& s) { return on_download(s, {id, {}}).access; });
    observe();
    model->downloaded(id.number, access);
    return finish();
  }
  const auto range = some_chunks(count, false).front();
  begin("chunks of " + std::to_string(id.number) + " go out: " + std::to_string(range.first) + "-" +
        std::to_string(range.last));
  transfers().bytes(id.number, 1 + below(1'000'000));
  model->transferred_bytes(id.number);
  if (chance(80)) {
    transfers().chunks(id.number, range, Transport::http);
    model->transferred_chunks(id.number, range);
  }
  unit([](TaskService&) {});
  observe();
  finish();
}

void History::time_passes() {
  constexpr Millis kLongest[] = {10ms, 1s, 5s, 30s, 90s, 400s, 3h};
  const auto roll = below(100);
  let_time_pass(
      Millis{1 + static_cast<long>(below(static_cast<std::uint64_t>(kLongest[roll < 97 ? roll % 6 : 6].count())))});
}

void History::let_time_pass(Millis by) {
  clock.advance(by);
  begin(std::to_string(by.count()) + " ms pass");
  clock.advance(-by);
  advance(by);
  observe();
  finish();
  timers_rest();
}

void History::timers_rest() {
  // As the engine's loop does: again at once where a timer is due.
  int rounds = 0;
  for (bool more = true; more && faults.empty(); ++rounds) {
    const auto next = service->timers.next();
    more = next && *next <= service->clock().now();
    begin("timers again");
    unit([more](auto& s) {
      s.progress.flush();
      if (more) s.timers.run();
    });
    observe(!more);
    finish();
    if (rounds > 20) faults.push_back("the timers never rest");
  }
}

void History::wall_jumps() {
  const Millis far = 10h;
  const auto by = Millis{static_cast<long>(below(static_cast<std::uint64_t>(2 * far.count())))} - far;
  clock.set_wall(clock.wall() + by);
  begin("the wall clock jumps by " + std::to_string(by.count() / 1'000) + " s");
  observe();
  finish();
  timers_rest();
}

void History::crash() {
  // How long the daemon was down is told from the wall clock; mostly that is right again by then.
  if (chance(70)) clock.set_wall(WallTime{service->clock().now()});
  begin("a crash");
  model->restart();
  restart();
  fast();
  model->restarted(service->clock().now());
  observe(false, true);
  finish();
  timers_rest();
}

void History::device_behaves(const std::string& device) {
  DeviceRequest ask;
  ask.hardware = hardware_of(device);
  deliver({device, ask});
  auto* task = model->active_of(device);
  if (!task || !faults.empty()) return;
  const auto id = task->facts.id;
  if (holds_slot(task->state)) {
    ProgressReport report;
    report.task = id;
    report.chunks = missing_of(task->have);
    if (!report.chunks.empty()) deliver({device, report});
    deliver({device, VerifyReport{id, task->attempt, task->facts.checksum, {}}});
  }
  if (task->state != TaskState::installing) return;
  ask.current_version = task->facts.version;
  deliver({device, ask});
}

void History::everybody_behaves() {
  for (int round = 0; round < 200 && faults.empty() && !model->open_tasks().empty(); ++round) {
    for (std::uint64_t i = 0; i < device_count && faults.empty(); ++i) device_behaves("gw-" + std::to_string(i));
    let_time_pass(round < 50 ? 1s : 10min);  // some wait for their not_before
  }
  for (const auto* task : model->open_tasks())
    if (faults.empty()) faults.push_back(name_of(*task) + " never ends, though its device behaves");
}

}  // namespace ota::engine::model
