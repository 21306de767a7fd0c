// A few threads for work that blocks: disk and database reads.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "ota/base/mutex.hpp"

namespace ota {

/// Bounded: post() refuses while `capacity` jobs wait. Thread-safe. The destructor runs the waiting jobs, then joins.
/// An exception of a job is logged, and the thread continues; destroying what the job owned can notify its waiters.
class WorkerPool {
 public:
  /// Precondition: `name` outlives the pool.
  WorkerPool(const char* name, std::size_t threads, std::size_t capacity);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False if the queue is full or the pool is stopping; then `job` won't run.
  [[nodiscard]] bool post(std::function<void()> job);

 private:
  void run();

  const char* const name_;
  const std::size_t capacity_;
  Mutex mutex_;
  ConditionVariable wake_;
  std::deque<std::function<void()>> jobs_ OTA_GUARDED_BY(mutex_);
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace ota
