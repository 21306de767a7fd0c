// Random histories of a fleet under rollouts, over the real service and database: devices with a state of their own,
// operators, time and crashes. After each step it is checked what docs/fleet.md promises whatever happened.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <variant>

#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine::fleet {

/// A device as it really is.
struct Simulated {
  std::string id;
  std::string hardware;
  std::string runs;
  std::string timezone;
  std::optional<TaskId> task;  ///< that it works on
  std::string version;         ///< of that task
  Digest image{};              ///< the same
  bool has_image = false;
  std::optional<Millis> restarts;  ///< it installs until then
  bool dead = false;
};

/// What a firmware does to devices: percent of them.
struct Flaw {
  std::uint64_t loud = 0;    ///< they roll back
  std::uint64_t silent = 0;  ///< they are never seen again
};

/// What the registry says of a device.
struct Known {
  std::string channel;
  std::string version;
  bool pinned = false;
};

class FleetHistory : public FleetTest {
 public:
  /// One history of `steps` random steps, then a time in which everybody behaves. False at the first fault; what led to
  /// it is in `story`.
  bool run(std::uint64_t seed, int steps);

  std::size_t story_length = 40;
  std::deque<std::string> story;  ///< the last steps
  std::vector<std::string> faults;
  std::map<std::string, std::int64_t> seen;  ///< how often each event of a task, state of a rollout, verdict came
  std::int64_t steps_done = 0;

 private:
  using Body = std::variant<DeviceRequest, ProgressReport, VerifyReport>;
  struct Message {
    std::size_t device;
    Body body;
  };

  void TestBody() override {}
  void prepare(std::uint64_t seed);
  void step();

  // Devices (fleet_history_devices.cpp).
  void device_acts();
  void contacts(Simulated& device);
  void works(Simulated& device);
  void installs(Simulated& device);
  void restarts(Simulated& device);
  void postpones(Simulated& device);
  void reports(Simulated& device, DeviceState state);
  void old_message();
  void deliver(Simulated& device, const Body& body);
  void take(Simulated& device, const Answer& answer);
  void take_pushes();
  void behaves(Simulated& device);

  // Operators (fleet_history_orders.cpp).
  void operator_acts();
  void creates();
  void commands();
  void changes_rollout();
  void rolls_back();
  void changes_channel();
  void changes_device();
  void changes_firmware();
  void orders_task();
  void undone_unit();
  RolloutSpec some_spec();
  std::vector<Stage> some_stages();
  Windows some_windows();
  std::optional<Rollout> some_rollout();
  /// Does `work` as a step of its own, and notes how it was answered.
  template <class T>
  void order(const std::string& what, const std::function<Result<T>(TaskService&)>& work) {
    begin(what);
    const auto result = unit(work);
    story.back() += result ? " <- done" : " <- " + result.error().message;
    observe();
  }

  // Time (fleet_history.cpp).
  void time_passes();
  void let_time_pass(Millis by);
  void wall_jumps();
  void crash();
  void everybody_behaves();
  void operators_behave(int round);
  void opens_up(const Rollout& rollout, int round);
  void nobody_is_stuck();

  // What must hold (fleet_history_checks.cpp).
  void begin(const std::string& what);
  void observe();
  void follow_log();
  void follow(const Task& task, const std::string& event, std::optional<TaskState> from, TaskState to,
              const std::string& reason);
  void check_pass(const Task& task);
  void check_budget(const Task& task, const Rollout& rollout, std::int64_t budget);
  void check_admission(const Task& task);
  void check_rollouts();
  void check_transition(const Rollout& before, const Rollout& after);
  void check_counters();
  std::map<std::string, Known> known_devices();
  std::map<std::int64_t, Rollout> known_rollouts();
  DeviceExplanation explained(const std::string& device) {
    return unit([&](auto& s) { return explain_device(s, device); });
  }
  void check_explained(const DeviceExplanation& before, const Body& body, const Answer& answer);
  void fault(const std::string& what) { faults.push_back(what); }
  void fast();
  void start_engine();

  std::uint64_t below(std::uint64_t bound) { return bound ? dice() % bound : 0; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  std::string some_channel() { return channels[below(channels.size())]; }
  std::string some_version() { return std::to_string(1 + below(4)) + ".0.0"; }
  std::string some_operator() { return chance(50) ? "anna" : "ben"; }
  Simulated& some_device() { return fleet[below(fleet.size())]; }

  std::mt19937_64 dice;
  std::vector<Simulated> fleet;
  std::vector<std::string> channels;
  std::map<Digest, Flaw> flaws;
  std::vector<Firmware> catalogue;
  std::deque<Message> bag;  // sent once: delivered again at any time
  bool wall_jumped = false;

  std::int64_t last_log = 0;
  std::map<std::string, Known> devices_before;
  std::map<std::int64_t, Rollout> rollouts_before;
  std::map<std::int64_t, int> passed;     // how often each task passed the gate
  std::map<std::int64_t, int> postponed;  // and was postponed after it
  std::set<std::int64_t> created_now;     // tasks of rollouts that this step made
};

}  // namespace ota::engine::fleet
