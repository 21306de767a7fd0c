// Many devices on a few threads.
#pragma once

#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "agent/device.hpp"
#include "ota/base/mutex.hpp"

namespace ota::agent {

/// Owns the devices and steps each when it is due, never one on two threads at once.
class Fleet {
 public:
  /// An error if a state folder can't be created.
  static Result<std::unique_ptr<Fleet>> create(const Shared& shared);
  ~Fleet() { stop(); }

  void start();
  /// With --once: the worst status of all devices, once each has one.
  std::optional<int> verdict() const;
  /// Aborts running work, delivers pending messages, disconnects. Idempotent.
  void stop();

 private:
  explicit Fleet(const Shared& shared) : shared_(shared) {}
  void wake(std::size_t device);
  void work();

  struct Slot {
    Time next{};
    bool running = false;
    bool woken = false;
  };

  const Shared shared_;
  std::vector<std::unique_ptr<Device>> devices_;  // as create() made them
  Mutex mutex_;
  ConditionVariable changed_;
  std::vector<Slot> slots_ OTA_GUARDED_BY(mutex_);                     // one for each device
  std::set<std::pair<Time, std::size_t>> due_ OTA_GUARDED_BY(mutex_);  // the slots that do not run
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> workers_;  // start() and stop() alone
};

}  // namespace ota::agent
