// A few threads for work that blocks: disk and database reads.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ota {

/// Bounded: post() refuses once `capacity` jobs wait. Thread-safe. The destructor runs what still waits, then joins.
/// A job that throws is logged and dropped, and the thread goes on; whoever waits for it learns by what the job owned.
class WorkerPool {
 public:
  /// `name` lives as long as the pool.
  WorkerPool(const char* name, std::size_t threads, std::size_t capacity);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// False where the queue is full or the pool is stopping; then `job` will not run.
  [[nodiscard]] bool post(std::function<void()> job);

 private:
  void run();

  const char* const name_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // protected by mutex_
  bool stopping_ = false;                   // protected by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace ota
