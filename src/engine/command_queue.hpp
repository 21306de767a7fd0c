#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "ota/base/result.hpp"

namespace ota::engine {

class TaskService;

/// One command on its way to the engine's thread.
struct Command {
  std::function<void(TaskService&)> run;   ///< decides and writes; answers through an effect
  std::function<void(Error)> failed;       ///< called instead, when the command was undone or never ran
};

/// Bounded, many producers, one consumer that takes all that waits at once. Its lock is a leaf.
class CommandQueue {
 public:
  explicit CommandQueue(std::size_t capacity) : capacity_(capacity) {}

  enum class Put { taken, full, closed };
  /// Leaves `command` as it is unless taken. The engine's own (`internal`) are taken even when it is full.
  Put put(Command& command, bool internal = false) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return Put::closed;
      if (commands_.size() >= capacity_ && !internal) return Put::full;
      commands_.push_back(std::move(command));
    }
    wake_.notify_one();
    return Put::taken;
  }

  /// Waits for commands, a call of stir(), or `until`; then takes at most `most`.
  std::vector<Command> take(std::chrono::steady_clock::time_point until, std::size_t most) {
    std::unique_lock lock(mutex_);
    wake_.wait_until(lock, until, [this] { return closed_ || stirred_ || !commands_.empty(); });
    stirred_ = false;
    std::vector<Command> taken;
    while (!commands_.empty() && taken.size() < most) {
      taken.push_back(std::move(commands_.front()));
      commands_.pop_front();
    }
    return taken;
  }

  void stir() {
    {
      std::lock_guard lock(mutex_);
      stirred_ = true;
    }
    wake_.notify_one();
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_.notify_one();
  }

  /// Closed, and nothing waits any more.
  bool done() const {
    std::lock_guard lock(mutex_);
    return closed_ && commands_.empty();
  }
  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return commands_.size();
  }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> commands_;  // protected by mutex_
  bool stirred_ = false;          // protected by mutex_
  bool closed_ = false;           // protected by mutex_
};

}  // namespace ota::engine
