// What a rollout costs the engine at fleets of different sizes: a contact, an admission, an outcome, a stage that opens.
// fleet_cost [DEVICES]...; prints microseconds each, in batches of 100 as under load.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "ota/base/log.hpp"
#include "storage/sqlite_database.hpp"
#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

using std::chrono::steady_clock;

class Cost final : public FleetTest {
 public:
  void TestBody() override {}

  void fill(int count) {
    devices(1);
    auto& sql = storage::sqlite(*db).handle();
    // The others as the first, seen now, each with its place in the ring.
    std::string columns, values;
    SQLite::Statement names(sql, "SELECT name FROM pragma_table_info('devices')");
    while (names.executeStep()) {
      const auto name = names.getColumn(0).getString();
      columns += (columns.empty() ? "" : ", ") + name;
      values += (values.empty() ? "" : ", ") + (name == "id"     ? "'gw-' || n"
                                                : name == "ring" ? "random() & 4294967295"
                                                                 : name);
    }
    sql.exec("BEGIN");
    sql.exec("WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < " +
             std::to_string(count) + ") INSERT INTO devices (" + columns + ") SELECT " + values +
             " FROM devices, numbers WHERE id = 'gw-1'");
    for (const auto* counters : {"fleet", "device_minutes"})
      sql.exec(std::string("UPDATE ") + counters + " SET n = " + std::to_string(count) + " WHERE n = 1");
    sql.exec("COMMIT");
    // Without it the first commands pay for moving the fill from the log into the database.
    SQLite::Statement(sql, "PRAGMA wal_checkpoint(TRUNCATE)").executeStep();
    count_ = count;
  }

  /// Microseconds each of `commands`, decided in batches of 100.
  template <class Command>
  double each(int commands, Command command) {
    const auto began = steady_clock::now();
    for (int i = 0; i < commands; ++i) {
      loop->send({[&command, i](TaskService& s) {
                    command(s, i);
                    s.scheduler.schedule();
                  },
                  [](const Error& error) { std::printf("failed: %s\n", error.message.c_str()); }});
      if (i % 100 == 99) EngineDriver::drain(*loop);
    }
    EngineDriver::drain(*loop);
    return std::chrono::duration<double, std::micro>(steady_clock::now() - began).count() / commands;
  }

  std::string any() { return name(1 + static_cast<int>(next_++ * 7919ull % static_cast<unsigned>(count_))); }

  void measure(int count) {
    constexpr int kCommands = 2'000;
    fill(count);
    const auto contact = [&](TaskService& s, int) {
      on_message(s, *DeviceId::parse(any()), {}, says("gw-a", "1.0.0"));
    };
    next_ = 0;
    const auto plain = each(std::min(kCommands, count), contact);
    auto wanted = spec();
    wanted.stages.clear();
    wanted.max_failures = {Share::Kind::percent, 10'000};
    const auto began = steady_clock::now();
    const auto id = rollout(wanted);
    const auto opened = std::chrono::duration<double, std::milli>(steady_clock::now() - began).count();
    // Not by the walk: each comes by itself.
    unit([&](auto& s) { s.rollouts.set_walked(id.number, Rollout::kRing); });
    next_ = 500'000'003;
    std::vector<std::string> names;
    const auto admitted = each(std::min(kCommands, count) / 2, [&](TaskService& s, int) {
      names.push_back(any());
      on_message(s, *DeviceId::parse(names.back()), {}, says("gw-a", "1.0.0"));
    });
    std::vector<std::pair<std::string, TaskId>> tasks;
    for (const auto& device : names)
      if (const auto task = task_in(id, device); task && !is_ended(task->state)) tasks.emplace_back(device, task->id);
    const auto passed = each(static_cast<int>(tasks.size()), [&](TaskService& s, int i) {
      const auto& [device, task] = tasks[static_cast<std::size_t>(i)];
      on_message(s, *DeviceId::parse(device), {}, VerifyReport{task, {}, digest_of(2), {}});
    });
    clock.advance(1801s);
    const auto proved = each(static_cast<int>(tasks.size()), [&](TaskService& s, int i) {
      on_message(s, *DeviceId::parse(tasks[static_cast<std::size_t>(i)].first), {}, says("gw-a", "2.0.0"));
    });
    std::printf("%9d devices: contact %6.1f us, admitted %6.1f us, passed %6.1f us, healthy %6.1f us (with timers), "
                "stage opened %6.2f ms, %d in\n",
                count, plain, admitted, passed, proved, opened, static_cast<int>(tasks.size()));
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmRSS")) std::printf("          %s\n", line.c_str());
  }

 private:
  int count_ = 0;
  unsigned long long next_ = 0;
};

}  // namespace
}  // namespace ota::engine

int main(int argc, char** argv) {
  static_cast<void>(ota::log::configure(ota::log::Level::off, {}, ota::log::Format::text));
  for (int i = 1; i < argc; ++i) ota::engine::Cost{}.measure(std::atoi(argv[i]));
  return 0;
}
