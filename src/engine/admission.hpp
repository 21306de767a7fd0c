// Which devices a rollout or a target takes in (docs/fleet.md, Admission).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/rollout.hpp"
#include "ota/domain/selection.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/fleet_control.hpp"
#include "ota/storage/fleet.hpp"

namespace ota::engine {

class TaskService;

/// Whether the version is one that the rollout brings forward; empty: unknown.
bool comes_from(const RolloutSpec& spec, const std::string& version);

class FleetAdmission {
 public:
  explicit FleetAdmission(TaskService& service) : service_(service) {}

  /// The device was seen: it gets its task where its channel has an update for it.
  void on_contact(const std::string& device);
  /// Goes on round the ring for stages that opened; true where there is more to do at once.
  bool walk();

  /// What is to be known of a device before it is admitted: each check in its order, up to the first that fails or,
  /// with `all`, to the end.
  struct Findings {
    std::vector<DeviceCheck> checks;
    const Rollout* rollout = nullptr;  ///< that brings it, or would
    std::string version;               ///< that it should run; empty: nothing
    bool by_target = false;
    bool admitted = false;  ///< all checks passed
    std::string_view failed() const;
  };
  /// Its channel has nothing for the device until an operator or the engine changes a rollout, a target or the device.
  bool is_settled(const Device& device) const;
  Findings look(const Device& device, bool present_needed = true);
  /// Whether the rollout is for that device, as both are now; whether it has failed or is in is another matter.
  bool concerns(const Device& device, const Rollout& rollout) const;
  /// Makes the device's task for that rollout.
  Result<Task> admit(const Device& device, const Rollout& rollout, std::int64_t retry_of = 0);

  /// The devices of a rollout, as they are now.
  struct Population {
    std::int64_t living = 0;
    std::int64_t eligible = 0;
    std::int64_t total = 0;  ///< in and eligible
    std::int64_t pinned = 0;
    std::int64_t ahead = 0;
    std::int64_t same = 0;
    std::int64_t failed_before = 0;
  };
  Population population(const Rollout& rollout, int stage);

  /// The device's open tasks of rollouts that have not passed the gate end with `reason`: it moved or was pinned.
  void leave(const std::string& device, const std::string& reason);

 private:
  void look_by_rollout(const Device& device, const Rollout& rollout, Findings& found);
  void look_by_target(const Device& device, const Target& target, Findings& found);
  void look_at_stage(const Device& device, const Rollout& rollout, Findings& found);
  bool fits(const Device& device, const std::vector<std::string>& where) const;
  bool walk(Rollout rollout);
  bool admit_from_ring(const storage::RingDevice& there, const Rollout& rollout);
  std::int64_t count_fitting(const Rollout& rollout, const std::map<std::string, std::string>* tags);
  std::int64_t first_living_day() const;

  TaskService& service_;
};

}  // namespace ota::engine
