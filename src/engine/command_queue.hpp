#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "ota/base/mutex.hpp"
#include "ota/base/result.hpp"

namespace ota::engine {

class TaskService;

/// The rows that a command is about, as far as that is known beforehand: they are read by set with those of the others
/// of its batch. What isn't named is read when it is asked for.
struct About {
  std::string device{};
  std::int64_t task = 0;
  std::string key{};  ///< Idempotency-Key
};

/// One command for the engine's thread.
struct Command {
  std::function<void(TaskService&)> run;   ///< decides and writes; answers through an effect
  std::function<void(Error)> failed;       ///< called instead, when the command was undone or never ran
  About about{};
};

/// Bounded, many producers, one consumer that takes all that waits at once. Its lock is a leaf.
class CommandQueue {
 public:
  explicit CommandQueue(std::size_t capacity) : capacity_(capacity) {}

  enum class Put { taken, full, closed };
  /// Leaves `command` as it is unless taken. The engine's own (`internal`) are taken even when it is full.
  Put put(Command& command, bool internal = false) {
    {
      const MutexLock lock(mutex_);
      if (closed_) return Put::closed;
      if (commands_.size() >= capacity_ && !internal) return Put::full;
      commands_.push_back(std::move(command));
    }
    changed_.notify_one();
    return Put::taken;
  }

  /// Waits for commands, a call of wake(), or `until`; then takes at most `most`.
  std::vector<Command> take(std::chrono::steady_clock::time_point until, std::size_t most) {
    const MutexLock lock(mutex_);
    while (!closed_ && !woken_ && commands_.empty() && changed_.wait_until(mutex_, until)) continue;
    woken_ = false;
    std::vector<Command> taken;
    while (!commands_.empty() && taken.size() < most) {
      taken.push_back(std::move(commands_.front()));
      commands_.pop_front();
    }
    return taken;
  }

  void wake() {
    {
      const MutexLock lock(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  void close() {
    {
      const MutexLock lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }

  /// Closed, and nothing waits any more.
  bool done() const {
    const MutexLock lock(mutex_);
    return closed_ && commands_.empty();
  }
  std::size_t size() const {
    const MutexLock lock(mutex_);
    return commands_.size();
  }

 private:
  const std::size_t capacity_;
  mutable Mutex mutex_;
  ConditionVariable changed_;
  std::deque<Command> commands_ OTA_GUARDED_BY(mutex_);
  bool woken_ OTA_GUARDED_BY(mutex_) = false;
  bool closed_ OTA_GUARDED_BY(mutex_) = false;
};

}  // namespace ota::engine
