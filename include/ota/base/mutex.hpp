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
/// Called only while that mutex is held; it is held again when the function returns.
#define OTA_REQUIRES(...) OTA_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// Called only while that mutex is not held: the function, or what it calls, takes it.
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
  friend class ConditionVariable;
  std::mutex mutex_;
};

/// Holds a mutex to the end of the scope.
class OTA_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) OTA_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() OTA_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Releases a mutex that is held, and takes it again at the end of the scope, also where an exception ends it.
class OTA_THREAD_ANNOTATION(scoped_lockable) MutexUnlock {
 public:
  explicit MutexUnlock(Mutex& mutex) OTA_THREAD_ANNOTATION(release_capability(mutex)) : mutex_(mutex) {
    mutex_.unlock();
  }
  ~MutexUnlock() OTA_THREAD_ANNOTATION(release_capability()) { mutex_.lock(); }
  MutexUnlock(const MutexUnlock&) = delete;
  MutexUnlock& operator=(const MutexUnlock&) = delete;

 private:
  Mutex& mutex_;
};

/// std::condition_variable for a Mutex. It may wake without reason: wait in a loop that looks again. A predicate would
/// be a lambda, into which the analysis can't see.
class ConditionVariable {
 public:
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

  /// The mutex is held before and after, not while it waits.
  void wait(Mutex& mutex) OTA_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// False once `until` has come.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point until) OTA_REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    const bool in_time = condition_.wait_until(lock, until) == std::cv_status::no_timeout;
    lock.release();
    return in_time;
  }

 private:
  std::condition_variable condition_;
};

}  // namespace ota
