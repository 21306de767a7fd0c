#pragma once

#include <cstdint>
#include <unordered_map>

#include "ota/domain/task.hpp"

namespace ota::engine {

class TaskService;

/// The reason of a task that waits for its firmware to be trusted.
inline constexpr const char* kUntrusted = "untrusted_firmware";

/// Tasks wait whose firmware an operator blocked, or the keys of now don't vouch for.
class TrustGate {
 public:
  explicit TrustGate(TaskService& service) : service_(service) {}

  /// Whether the task's firmware is trusted now, and not blocked.
  bool trusted(const Task& task);
  /// Whether the task must wait for its firmware to be trusted; while its device is `present` that is looked at again.
  bool holds_back(Task& task, bool present);
  /// A firmware was blocked, or is no longer.
  void note_blocked() { changed_ = true; }
  /// Where the keys or what is blocked were changed, takes back what was offered and isn't trusted any more.
  void withdraw();

 private:
  TaskService& service_;
  bool changed_ = false;
  std::uint64_t withdrawn_at_ = 0;                  // generation of the keys that the offers go by
  std::uint64_t seen_ = 0;                          // generation of the keys that trusted_ goes by
  std::unordered_map<std::int64_t, bool> trusted_;  // by firmware
};

}  // namespace ota::engine
