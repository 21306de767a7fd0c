// A mutex that clang's thread-safety analysis knows: what it guards is said where it is declared, and the compiler
// checks it (tests/tidy.py). https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#ifdef __clang__
#define OTA_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define OTA_THREAD_ANNOTATION(x)
#endif

/// Read and written only while that mutex is held.
#define OTA_GUARDED_BY(mutex) OTA_THREAD_ANNOTATION(guarded_by(mutex))
/// Called only while that mutex is held.
#define OTA_REQUIRES(...) OTA_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// Called only while that mutex is not held: it takes it itself, or calls who may.
#define OTA_EXCLUDES(...) OTA_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
/// Taken before that mutex where both are held.
#define OTA_ACQUIRED_BEFORE(...) OTA_THREAD_ANNOTATION(acquired_before(__VA_ARGS__))

namespace ota {

class OTA_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() OTA_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() OTA_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

/// Holds a mutex from here to the end of the scope, or between lock() and unlock().
class OTA_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) OTA_THREAD_ANNOTATION(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~MutexLock() OTA_THREAD_ANNOTATION(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() OTA_THREAD_ANNOTATION(acquire_capability()) { lock_.lock(); }
  void unlock() OTA_THREAD_ANNOTATION(release_capability()) { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

/// std::condition_variable for a MutexLock. It may wake without reason: wait in a loop that looks again.
class Condition {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  /// The mutex is held before and after, not while it waits.
  void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
  /// False once `until` has come.
  template <class Clock, class Duration>
  bool wait_until(MutexLock& lock, const std::chrono::time_point<Clock, Duration>& until) {
    return condition_.wait_until(lock.lock_, until) == std::cv_status::no_timeout;
  }
  template <class Rep, class Period>
  bool wait_for(MutexLock& lock, const std::chrono::duration<Rep, Period>& time) {
    return condition_.wait_for(lock.lock_, time) == std::cv_status::no_timeout;
  }

 private:
  std::condition_variable condition_;
};

}  // namespace ota
