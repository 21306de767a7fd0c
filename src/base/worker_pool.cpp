#include "ota/base/worker_pool.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <utility>

#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota {

WorkerPool::WorkerPool(const char* name, std::size_t threads, std::size_t capacity) : name_(name), capacity_(capacity) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), name);
  }
}

WorkerPool::~WorkerPool() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool WorkerPool::post(std::function<void()> job) {
  {
    const MutexLock lock(mutex_);
    if (stopping_ || jobs_.size() >= capacity_) return false;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void WorkerPool::run() {
  for (;;) {
    std::function<void()> job;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && jobs_.empty()) wake_.wait(mutex_);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    try {
      job();
    } catch (...) {
      log::error(fmt::format("{}: a job failed with an internal error: {}", name_,
                             describe_exception(std::current_exception())));
    }
  }
}

}  // namespace ota
