#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// Digests of chunks, which must be in memory before an offer: who waits for them.
class LayoutDigests {
 public:
  /// Whose task waits for digests is looked at again after so long, should their making be lost in a crash.
  static constexpr Millis kAwaitedFor{10'000};

  explicit LayoutDigests(TaskService& service) : service_(service) {}

  /// Whether the digests of the task's chunks are in memory; if not they are made, and its device waits for them.
  bool ready(const Task& task);
  /// Whether the task's device waits for them.
  bool awaited(const Task& task) const;
  /// Keeps a request until the digests that its device waits for are there; false where it waits for none, or too many
  /// requests wait.
  bool defer(const std::string& device, std::function<void(TaskService&)> request);
  /// After the commit makes the digests of the task's chunks, then runs `then` as a command.
  void prepare(const Task& task, std::function<void(TaskService&, bool ready)> then);
  void resync() { awaited_.clear(); }

 private:
  struct Awaiting {
    std::set<std::string> devices;
    std::vector<std::function<void(TaskService&)>> requests;  // to be decided again then
  };

  TaskService& service_;
  std::map<std::pair<Digest, std::uint32_t>, Awaiting> awaited_;  // by image and chunk size
};

}  // namespace ota::engine
