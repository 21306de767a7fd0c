// A counter of open objects.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

#include "ota/base/mutex.hpp"

namespace ota::http {

/// Counts open objects, and waits until there are none. Thread-safe.
class OpenCount {
 public:
  /// Returns the previous count.
  std::size_t opened() { return count_.fetch_add(1, std::memory_order_relaxed); }
  void closed() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const MutexLock lock(mutex_);
    none_.notify_all();
  }
  std::size_t count() const { return count_.load(std::memory_order_acquire); }
  bool wait_for_none(std::chrono::milliseconds time) {
    const MutexLock lock(mutex_);
    const auto until = std::chrono::steady_clock::now() + time;
    while (count() > 0 && none_.wait_until(mutex_, until)) continue;
    return count() == 0;
  }

 private:
  std::atomic<std::size_t> count_{0};
  Mutex mutex_;  // only for waiting
  ConditionVariable none_;
};

/// Counts as one during its lifetime.
class OpenPlace {
 public:
  explicit OpenPlace(std::shared_ptr<OpenCount> open) : open_(std::move(open)), before_(open_->opened()) {}
  OpenPlace(OpenPlace&&) = default;
  OpenPlace& operator=(OpenPlace&&) = delete;
  ~OpenPlace() {
    if (open_) open_->closed();
  }
  /// The count without it.
  std::size_t before() const { return before_; }

 private:
  std::shared_ptr<OpenCount> open_;
  std::size_t before_;
};

}  // namespace ota::http
