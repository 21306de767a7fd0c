// One daemon for one database and one folder of images.
#pragma once

#include <string>

#include "ota/base/result.hpp"

namespace ota::app {

/// Holds an advisory lock (flock) on a file or folder until it is destroyed, or the process ends in any way.
class InstanceLock {
 public:
  /// Makes the file where it is missing. The error says who holds the lock.
  static Result<InstanceLock> take_file(const std::string& file);
  static Result<InstanceLock> take_folder(const std::string& folder);

  InstanceLock(InstanceLock&& other) noexcept;
  InstanceLock& operator=(InstanceLock&& other) noexcept;
  ~InstanceLock();

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace ota::app
