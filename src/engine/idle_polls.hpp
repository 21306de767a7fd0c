// Polls that need no look by the engine: of devices for which there is nothing to do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/mutex.hpp"
#include "ota/domain/messages.hpp"
#include "ota/domain/task.hpp"
#include "ota/engine/actions.hpp"

namespace ota::engine {

/// The answer to a device's last poll, as long as nothing happened that could change it. Such a poll costs no commit:
/// that the device was seen is written with the next flush. Thread-safe; its lock is a leaf.
class IdlePolls {
 public:
  static constexpr std::size_t kMost = 32'768;  ///< devices; any other one leaves for one more
  static constexpr Millis kKept{900'000};       ///< then the engine looks again
  static constexpr Millis kNoted{10'000};       ///< contacts sooner after one that was noted are no news

  explicit IdlePolls(const Clock& clock) : clock_(clock) {}

  /// Nothing: the engine must look at it.
  std::optional<PollAnswer> find(const std::string& device, const Credentials& who);

  // The engine's side.

  void keep(const Device& device, bool must_prove, const PollAnswer& answer);
  /// Something of the device changes.
  void forget(const std::string& device);
  /// Something changes for many.
  void clear();
  /// Devices that were seen since this was asked last.
  std::vector<std::string> take_seen();

 private:
  struct Entry {
    std::optional<Digest> secret;
    bool must_prove = false;
    bool certified = false;
    std::string client;
    PollAnswer answer;
    Millis kept{0};
    Millis noted{0};
  };

  const Clock& clock_;
  Mutex mutex_;
  std::unordered_map<std::string, Entry> entries_ OTA_GUARDED_BY(mutex_);
  std::vector<std::string> seen_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::engine
