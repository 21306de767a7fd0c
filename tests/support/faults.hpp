// Failing disks for unit tests: tests/support/fault_shim.cpp is linked in.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "support/fakes.hpp"

extern "C" int fault_shim_failed();

namespace ota::test {

/// While it lives, `what` (`sync` or `write`) fails with `number` (an errno) on `path`; on all below it where it ends
/// with a slash. One at a time.
class DiskFault {
 public:
  DiskFault(const std::string& what, int number, const std::string& path) {
    std::ofstream(file_) << what << ' ' << number << ' ' << path << '\n';
    ::setenv("FAULT_FILE", file_.c_str(), 1);
  }
  /// How many calls failed so far, by any fault of this process.
  static int failed() { return fault_shim_failed(); }
  ~DiskFault() { ::unsetenv("FAULT_FILE"); }
  DiskFault(const DiskFault&) = delete;
  DiskFault& operator=(const DiskFault&) = delete;

 private:
  TempDir dir_;
  const std::string file_ = dir_ / "fault";
};

}  // namespace ota::test
