// A counter of open objects.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace ota::http {

/// Counts open objects, and waits until there are none. Thread-safe.
class OpenCount {
 public:
  /// Returns the previous count.
  std::size_t opened() { return count_.fetch_add(1, std::memory_order_relaxed); }
  void closed() {
    if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const std::lock_guard lock(mutex_);
    none_.notify_all();
  }
  std::size_t count() const { return count_.load(std::memory_order_acquire); }
  bool wait_for_none(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex_);
    return none_.wait_for(lock, time, [this] { return count() == 0; });
  }

 private:
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;  // only for waiting; no other lock inside
  std::condition_variable none_;
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
