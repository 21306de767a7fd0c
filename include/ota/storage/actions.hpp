#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ota/domain/action.hpp"

namespace ota::storage {

class Database;

/// Actions of devices that only poll. Those of a task go with it. From one connection's thread, inside its transaction.
class Actions {
 public:
  explicit Actions(Database& db);
  ~Actions();

  /// Gives it an id; false: all ids are given out.
  bool insert(Action& action);
  /// Its state and its reports.
  void update(const Action& action);

  std::optional<Action> find(ActionId id);
  /// The newest one of a task.
  std::optional<Action> last_of(std::int64_t task);
  /// Those of a device that are not over, the oldest first; at most `limit`.
  std::vector<Action> live_of(const std::string& device, int limit);
  /// The last one that the device finished.
  std::optional<ActionId> last_finished(const std::string& device);

 private:
  struct Statements;
  std::unique_ptr<Statements> q_;
};

}  // namespace ota::storage
