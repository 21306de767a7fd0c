// One step beside the service: begin, do it, read what the database says, compare.
#include "unit/engine/model_driver.hpp"

#include "storage/sqlite_database.hpp"

namespace ota::engine::model {
namespace {

template <class E>
std::optional<E> optional_of(const SQLite::Column& column) {
  if (column.isNull()) return {};
  return static_cast<E>(column.getInt64());
}

std::string text_of(const Task& task) {
  return std::string(to_string(task.state)) + " " + task.reason + " " + std::to_string(task.attempt) + " " +
         to_rfc3339(task.ended.value_or(WallTime{}));
}

}  // namespace

void History::fast() { storage::sqlite(*db).handle().exec("PRAGMA synchronous=OFF"); }

void History::begin(const std::string& what) {
  story.push_back(std::to_string(steps_done) + " at " + std::to_string(service->now().count() % 1'000'000'000) + ": " +
                  what);
  if (story.size() > story_length) story.pop_front();
  random.value = static_cast<double>(below(1'000)) / 1'000;
  notifier.pushed.clear();
  const Millis now = service->clock().now();
  if (now < model->now) faults.push_back("the timeline went back");
  model->begin(now, clock.wall());
}

void History::observe(bool all_flushed, bool restarted) {
  SQLite::Statement present(storage::sqlite(*db).handle(),
                            "SELECT id, hardware, current_version, present_until_tl, version_confirmed FROM devices");
  std::map<std::string, DeviceModel> rows_of_devices;
  while (present.executeStep()) {
    auto& row = rows_of_devices[present.getColumn(0).getString()];
    row.hardware = present.getColumn(1).getString();
    row.current = present.getColumn(2).getString();
    row.present_until = Millis{present.getColumn(3).getInt64()};
    row.confirmed = present.getColumn(4).getInt() != 0;
  }
  for (const auto& [id, row] : rows_of_devices) model->compare_presence(id, row);
  SQLite::Statement log(storage::sqlite(*db).handle(),
                        "SELECT id, task, kind, by, event, reason, from_state, to_state FROM transfer_log WHERE id > ? "
                        "ORDER BY id");
  log.bind(1, last_log);
  while (log.executeStep()) {
    last_log = log.getColumn(0).getInt64();
    const Event event{log.getColumn(1).getInt64(),
                      log.getColumn(2).getString(),
                      log.getColumn(3).getString(),
                      log.getColumn(4).getString(),
                      log.getColumn(5).getString(),
                      optional_of<TaskState>(log.getColumn(6)),
                      optional_of<TaskState>(log.getColumn(7))};
    model->follow(event, [this](std::int64_t number) { return read_task(number); });
    if (event.kind == "state") ++seen[event.event];
    story.back() += "\n      " + event.kind + " " + std::to_string(event.task) + " " + event.event +
                    (event.to ? " -> " + std::string(to_string(*event.to)) : "") + " " + event.reason;
    if (event.to && is_ended(*event.to)) ended[event.task] = text_of(read_task(event.task));
  }
  for (const auto& [device, answer] : notifier.pushed) {
    story.back() += "\n      pushed " + device + " " + std::string(type_of(answer));
    model->pushed(device, answer, restarted);
  }

  for (std::uint64_t i = 0; i < device_count; ++i) {
    const auto id = "gw-" + std::to_string(i);
    const auto found = rows_of_devices.find(id);
    if (found == rows_of_devices.end())
      model->device_gone(id);
    else
      model->compare_device(id, found->second);
  }

  SQLite::Statement open(storage::sqlite(*db).handle(),
                         "SELECT t.number, t.device, t.state, t.attempt, t.parked, t.wait_reason=1, t.priority, "
                         "t.state_due, c.bitmap, (SELECT ready_task FROM devices WHERE id = t.device) IS t.number "
                         "FROM tasks t LEFT JOIN task_chunks c ON c.task = t.number WHERE t.state < 5");
  std::vector<Row> rows;
  while (open.executeStep()) {
    Row row;
    row.number = open.getColumn(0).getInt64();
    row.device = open.getColumn(1).getString();
    row.state = static_cast<TaskState>(open.getColumn(2).getInt());
    row.attempt = open.getColumn(3).getInt();
    row.parked = open.getColumn(4).getInt() != 0;
    row.ready = open.getColumn(5).getInt() != 0;
    row.priority = static_cast<Priority>(open.getColumn(6).getInt());
    row.in_queue = open.getColumn(9).getInt() != 0;
    if (!open.getColumn(7).isNull()) row.state_due = Millis{open.getColumn(7).getInt64()};
    const auto* bytes = static_cast<const std::uint8_t*>(open.getColumn(8).getBlob());
    row.bitmap.assign(bytes, bytes + open.getColumn(8).getBytes());
    rows.push_back(std::move(row));
  }
  SQLite::Statement ghosts(storage::sqlite(*db).handle(), "SELECT number FROM tasks WHERE wait_reason = 1 AND state <> 0");
  if (ghosts.executeStep())
    model->faults.push_back("task " + std::to_string(ghosts.getColumn(0).getInt64()) +
                            " waits for nothing and is in the queue");
  model->compare(rows, service->rows.unit.queue().slots_held(), all_flushed);
}

void History::finish() {
  model->end();
  faults.insert(faults.end(), model->faults.begin(), model->faults.end());
  model->faults.clear();
  ++steps_done;
}

void History::check_ended() {
  for (const auto& [number, text] : ended)
    if (const auto now = text_of(read_task(number)); now != text)
      faults.push_back("task " + std::to_string(number) + " ended as " + text + " and is now " + now);
}

void History::deliver(const Message& message) {
  const auto id = *DeviceId::parse(message.device);
  std::optional<Answer> answer;
  if (const auto* request = std::get_if<DeviceRequest>(&message.body)) {
    begin(message.device + " asks" + (request->version ? " for " + *request->version : "") +
          (request->current_version ? ", runs " + *request->current_version : ""));
    model->request(message.device, *request);
    answer = unit([&](auto& s) { return on_message(s, id, {}, *request); });
  } else if (const auto* report = std::get_if<ProgressReport>(&message.body)) {
    std::string text = message.device + " reports on " + std::to_string(report->task.number);
    for (const auto& range : report->chunks)
      text += " " + std::to_string(range.first) + "-" + std::to_string(range.last) + (report->mismatch ? " bad" : "");
    if (report->percent) text += " " + std::to_string(*report->percent) + "%";
    if (report->state) text += " " + std::string(to_string(*report->state));
    begin(text);
    // A plain report may go the short way: then it is told to the database later.
    if (!report->chunks.empty() && !report->mismatch && chance(50) && transfers().report(message.device, {}, *report)) {
      story.back() += " (active transfers)";
      for (const auto& range : report->chunks) model->transferred_chunks(report->task.number, range);
      model->reported(message.device);
      unit([](TaskService&) {});
      observe();
      return finish();
    }
    model->progress(message.device, *report);
    answer = unit([&](auto& s) { return on_message(s, id, {}, *report); });
  } else {
    const auto& verify = std::get<VerifyReport>(message.body);
    begin(message.device + " verifies " + std::to_string(verify.task.number) + " as " +
          std::to_string(verify.checksum[0]) + (verify.attempt ? " attempt " + std::to_string(*verify.attempt) : "") +
          (verify.bad_chunks ? " bad " + std::to_string(verify.bad_chunks->size()) : ""));
    model->verify(message.device, verify);
    answer = unit([&](auto& s) { return on_message(s, id, {}, verify); });
  }
  story.back() += " <- " + (answer ? std::string(type_of(*answer)) : "nothing");
  if (const auto* error = answer ? std::get_if<ErrorAnswer>(&*answer) : nullptr)
    story.back() += ": " + error->error.message;
  if (const auto* again = answer ? std::get_if<RetryAnswer>(&*answer) : nullptr)
    story.back() += " " + again->reason + " " + std::to_string(again->retry_after_s) + " s";
  // The answer counts as telling of an offer, so it comes before the pushes are weighed.
  observe();
  model->answered(message.device, answer);
  finish();
}

void History::prepare(std::uint64_t seed) {
  dice.seed(seed);
  device_count = 2 + below(11);
  versions = static_cast<int>(3 + below(4));
  options.tasks.max_active = static_cast<int>(1 + below(4));
  options.tasks.max_attempts = 3;
  images.slow = chance(20);
  service->set_options(options);
  fast();
  model = std::make_unique<Model>(options);
  model->slow_digests = images.slow;
  for (int i = 1; i <= versions; ++i)
    for (const auto* hardware : {"gw-a", "gw-b", ""}) {
      if (*hardware ? chance(15) : chance(75)) continue;
      const auto image = static_cast<std::uint8_t>(i * 3 + (*hardware ? hardware[3] - 'a' : 2));
      model->firmware.push_back(
          add_firmware(std::to_string(i) + ".0.0", hardware, image, 1 + below(6 * 524'288), chance(25)));
    }
}

bool History::run(std::uint64_t seed, int steps) {
  prepare(seed);
  let_time_pass(1s);
  for (int i = 0; i < steps && faults.empty(); ++i) {
    step();
    if (i % 200 == 0) check_ended();
  }
  if (faults.empty()) everybody_behaves();
  check_ended();
  return faults.empty();
}

}  // namespace ota::engine::model
