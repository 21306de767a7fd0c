// Random histories of devices, operators, time and crashes, with the model beside the real service and database.
#pragma once

#include <deque>
#include <random>
#include <variant>

#include "unit/engine/fixture.hpp"
#include "unit/engine/model.hpp"

namespace ota::engine::model {

class History : public TaskServiceTest {
 public:
  /// One history of `steps` random steps, then a time in which every device behaves. False at the first fault; what
  /// led to it is in `story`.
  bool run(std::uint64_t seed, int steps);

  std::size_t story_length = 40;
  std::deque<std::string> story;  ///< the last steps
  std::vector<std::string> faults;
  std::map<std::string, std::int64_t> seen;  ///< how often each event of the table came
  std::int64_t steps_done = 0;

 private:
  void TestBody() override {}
  struct Message {
    std::string device;
    std::variant<DeviceRequest, ProgressReport, VerifyReport> body;
  };

  void prepare(std::uint64_t seed);
  void step();

  // What a step may be.
  void device_speaks();
  void old_message();
  void downloads();
  void operator_acts();
  void upgrade_some();
  void task_orders();
  void registry_changes();
  void catalogue_changes();
  void time_passes();
  void let_time_pass(Millis by);
  void timers_rest();
  void wall_jumps();
  void crash();
  void everybody_behaves();
  void device_behaves(const std::string& device);

  Message some_request(const std::string& device);
  Message some_progress(const std::string& device, const TaskModel& task);
  Message some_verify(const std::string& device, const TaskModel& task);
  void deliver(const Message& message);

  // Beside the service.
  void begin(const std::string& what);
  void observe(bool all_flushed = false, bool restarted = false);
  void finish();
  void check_ended();
  void fast();
  Task read_task(std::int64_t number) { return service->rows.tasks().find(number).value(); }

  std::uint64_t below(std::uint64_t bound) { return bound ? dice() % bound : 0; }
  bool chance(int percent) { return below(100) < static_cast<std::uint64_t>(percent); }
  std::string some_device() { return "gw-" + std::to_string(below(device_count)); }
  std::string hardware_of(const std::string& device) const { return device.back() % 2 ? "gw-a" : "gw-b"; }
  std::string some_version() { return std::to_string(1 + below(static_cast<std::uint64_t>(versions))) + ".0.0"; }
  TaskModel* some_task(int percent_open);
  ChunkRanges some_chunks(std::uint32_t count, bool beyond);

  std::mt19937_64 dice;
  std::unique_ptr<Model> model;
  std::uint64_t device_count = 2;
  int versions = 3;
  std::vector<Message> bag;  // sent once, or not yet: delivered again at any time
  std::vector<Firmware> removed;
  std::int64_t last_log = 0;
  std::map<std::int64_t, std::string> ended;  // how each ended task was when it ended
};

}  // namespace ota::engine::model
