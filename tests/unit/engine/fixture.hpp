// The engine's loop with a real database and everything else under the test's hand; no threads.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/commands.hpp"
#include "engine/engine_loop.hpp"
#include "engine/task_service.hpp"
#include "ota/storage/backend.hpp"
#include "support/fakes.hpp"

namespace ota::engine {

using namespace std::chrono_literals;

class FakeImages final : public Images {
 public:
  std::shared_ptr<const firmware::Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const override {
    return !slow || prepared.contains({image, chunk_bytes}) ? std::make_shared<firmware::Manifest>() : nullptr;
  }
  void prepare(const Digest& image, std::uint32_t chunk_bytes,
               std::function<void(Result<std::shared_ptr<const firmware::Manifest>>)> done) override {
    ++asked;
    if (hangs) return;
    if (refuse) return done(fail(*refuse, "refused by the test"));
    prepared.insert({image, chunk_bytes});
    done(std::shared_ptr<const firmware::Manifest>(std::make_shared<firmware::Manifest>()));
  }
  bool exists(const Digest& image) const override { return !gone.contains(image) && !absent.contains(image); }
  bool missing(const Digest& image) const override {
    if (throws) throw std::runtime_error("thrown by the test");
    return absent.contains(image);
  }
  void remove(const Digest& image) override { removed.push_back(image); }

  bool slow = false;  ///< digests must be prepared first
  std::set<std::pair<Digest, std::uint32_t>> prepared;
  std::optional<Errc> refuse;
  bool hangs = false;  ///< preparing never ends
  std::set<Digest> gone;
  bool throws = false;
  std::set<Digest> absent;  ///< no file, but the catalogue has it
  std::vector<Digest> removed;
  int asked = 0;
};

class FakeNotifier final : public DeviceNotifier {
 public:
  void push(const std::string& device, const Answer& answer) override { pushed.emplace_back(device, answer); }
  std::vector<std::pair<std::string, Answer>> pushed;
};

inline Digest digest_of(std::uint8_t seed) {
  Digest digest{};
  digest.fill(seed);
  return digest;
}

/// Steps the engine's loop on the test's own thread.
class EngineDriver {
 public:
  static TaskService& service(EngineLoop& loop) { return *loop.service_; }
  static storage::Database& database(EngineLoop& loop) { return *loop.db_; }
  /// Decides what waits and what comes of it, then the engine's own work.
  static void drain(EngineLoop& loop) {
    do loop.step(std::chrono::steady_clock::now());
    while (loop.queue_.size() > 0);
  }
  /// Why the engine's own work was undone last; empty: it wasn't.
  static std::string chores_fault(EngineLoop& loop) {
    return loop.chore_faults_.empty() ? std::string() : loop.chore_faults_.begin()->second;
  }
  /// As after a disk fault: the service and the database are opened afresh, the active transfers stay.
  static void reopen(EngineLoop& loop) {
    loop.close("by the test");
    drain(loop);
  }
};

class TaskServiceTest : public ::testing::Test {
 protected:
  TaskServiceTest() {
    options.tasks.max_active = 2;
    options.devices.unproven_per_minute = 1'000'000;  // what isn't about new devices is in a hurry
    open();
  }

  void open() {
    loop = std::make_unique<EngineLoop>(*storage, options, clock, random, images, notifier);
    EXPECT_TRUE(loop->open());
    look();
  }

  /// One command, and the jobs that it leaves.
  template <class Work>
  auto unit(Work work) {
    using Value = decltype(work(*service));
    std::optional<Error> failed;
    const auto fails = [&](const Error& error) { failed = error; };
    if constexpr (std::is_void_v<Value>) {
      decide({[&](TaskService& s) {
                work(s);
                s.scheduler.schedule();
              },
              fails});
      if (failed) throw std::runtime_error(failed->message);
    } else {
      std::optional<Value> result;
      decide({[&](TaskService& s) {
                result.emplace(work(s));
                s.scheduler.schedule();
              },
              fails});
      if (failed) throw std::runtime_error(failed->message);
      return std::move(*result);
    }
  }

  /// As after a crash: memory is gone, the database stays.
  void restart() {
    loop.reset();
    open();
    unit([](auto& s) { s.lifecycle.resume_active(); });
  }

  void reopen() {
    EngineDriver::reopen(*loop);
    look();
  }

  void advance(Millis by) {
    clock.advance(by);
    unit([](auto& s) {
      s.progress.flush();
      s.timers.run();
      s.housekeeping.run();
    });
  }

  Firmware add_firmware(std::string version, std::string hardware = "gw-a", std::uint8_t seed = 1,
                        std::uint64_t size = 4 * 524'288, bool security = false) {
    Firmware f;
    f.version = std::move(version);
    f.hardware = std::move(hardware);
    f.size = size;
    f.checksum = digest_of(seed);
    f.security = security;
    return unit([&](auto& s) { return on_add_firmware(s, f); }).value().firmware;
  }

  static DeviceRequest says(std::string hardware = "gw-a", std::optional<std::string> current = {}) {
    DeviceRequest message;
    message.hardware = std::move(hardware);
    message.current_version = std::move(current);
    return message;
  }

  Answer request(const std::string& device, DeviceRequest message = says()) {
    return unit([&](auto& s) { return on_message(s, *DeviceId::parse(device), {}, message); }).value();
  }
  std::optional<Answer> progress(const std::string& device, ProgressReport message, Credentials who = {}) {
    return unit([&](auto& s) { return on_message(s, *DeviceId::parse(device), who, message); });
  }
  std::optional<Answer> chunk(const std::string& device, const TaskId& task, std::uint32_t first, std::uint32_t last,
                              bool mismatch = false) {
    ProgressReport message;
    message.task = task;
    message.chunks = {{first, last}};
    message.mismatch = mismatch;
    return progress(device, message);
  }
  std::optional<Answer> state(const std::string& device, const TaskId& task, DeviceState what) {
    ProgressReport message;
    message.task = task;
    message.state = what;
    return progress(device, message);
  }
  Answer verify(const std::string& device, const TaskId& task, std::uint8_t seed, std::optional<int> attempt = {},
                std::optional<ChunkRanges> bad = {}) {
    return unit([&](auto& s) {
             return on_message(s, *DeviceId::parse(device), {}, VerifyReport{task, attempt, digest_of(seed), bad});
           })
        .value();
  }

  UpgradeOrder order(std::string device, std::string version) {
    UpgradeOrder o;
    o.device = std::move(device);
    o.version = std::move(version);
    return o;
  }
  Result<UpgradeOutcome> upgrade(const UpgradeOrder& o) {
    return unit([&](auto& s) { return on_upgrade(s, o, "tester"); });
  }
  /// A task for a device that was heard, hardware gw-a.
  TaskId task_for(const std::string& device, const std::string& version, std::optional<Priority> priority = {},
                  bool confirm = false) {
    if (!row_of(device)) request(device);
    auto o = order(device, version);
    o.priority = priority;
    if (confirm) o.confirm = Confirm::always;
    return upgrade(o).value().task.id;
  }

  Task row(const TaskId& id) {
    return unit([&](auto& s) { return s.lifecycle.load(id.number); }).value();
  }
  std::optional<Device> row_of(const std::string& device) { return service->rows.devices().find(device); }
  std::optional<Task> open_of(const std::string& device, const std::string& version) {
    return unit([&](auto& s) { return s.rows.unit.open_of(device, version); });
  }
  TaskState state_of(const TaskId& id) { return row(id).state; }
  std::vector<LogEntry> log_of(const TaskId& id) { return service->rows.transfer_log().list(id.number, 0, 1'000); }

  /// What was pushed since the last call, as `device type`.
  std::vector<std::string> pushes() {
    std::vector<std::string> texts;
    for (const auto& [device, answer] : notifier.pushed) texts.push_back(device + " " + std::string(type_of(answer)));
    notifier.pushed.clear();
    return texts;
  }

  ActiveTransfers& transfers() { return loop->transfers(); }

  test::TempDir dir;
  test::FakeClock clock;
  test::FakeRandom random;
  FakeImages images;
  FakeNotifier notifier;
  Options options;
  const std::unique_ptr<storage::Backend> storage = storage::make_backend({.database = dir / "otad.db"});
  std::unique_ptr<EngineLoop> loop;
  TaskService* service = nullptr;
  storage::Database* db = nullptr;

 private:
  void decide(Command command) {
    loop->send(std::move(command));
    EngineDriver::drain(*loop);
    service->rows.unit.discard();
  }
  void look() {
    service = &EngineDriver::service(*loop);
    db = &EngineDriver::database(*loop);
  }
};

inline const ErrorAnswer& error_in(const Answer& answer) { return std::get<ErrorAnswer>(answer); }

}  // namespace ota::engine
