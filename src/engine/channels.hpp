// Channels and their targets (docs/fleet.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ota/domain/rollout.hpp"

namespace ota::engine {

class TaskService;

/// A copy in memory of rows that only the engine changes, so that a contact of a device needs no look into the
/// database. Read at start and after a unit was undone.
class Channels {
 public:
  explicit Channels(TaskService& service) : service_(service) {}

  void resync();

  /// Null where there is none of that name; the pointer holds until the command ends.
  const Channel* find(const std::string& name) const;
  void put(const Channel& channel);
  void remove(const std::string& name);

  const std::vector<Target>& targets() const { return targets_; }
  /// The target that a device has to do with: of its hardware, else of any.
  const Target* target_for(const Device& device) const;
  void put_target(const Target& target);
  /// Whether it was there.
  bool remove_target(const std::string& channel, const std::string& hardware);

 private:
  void forget_target(const std::string& channel, const std::string& hardware);

  TaskService& service_;
  std::map<std::string, Channel> channels_;
  std::vector<Target> targets_;
};

}  // namespace ota::engine
