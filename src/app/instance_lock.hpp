// One daemon for one database. (The store locks its folder by itself.)
#pragma once

#include <string>

#include "ota/base/result.hpp"

namespace ota::app {

/// Holds an advisory lock (flock) on a file until it is destroyed, or the process ends in any way.
class InstanceLock {
 public:
  /// The lock is on `<database>.lock`, made where it is missing. The error says who holds it.
  static Result<InstanceLock> take(const std::string& database);

  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  ~InstanceLock();

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace ota::app
