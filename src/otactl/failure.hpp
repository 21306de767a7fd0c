// How a command ends, and the exception that ends it early.
#pragma once

#include <stdexcept>
#include <string>

namespace ota::otactl {

/// Exit statuses; they are part of the interface (docs/otactl.md).
enum Status : int {
  kDone = 0,
  kRefused = 1,      ///< refused by the server, or failed
  kUsage = 2,        ///< wrong arguments or settings
  kBadEnd = 3,       ///< --watch: it halted, failed, was cancelled or expired
  kNoAccess = 4,     ///< the server can't be reached, or doesn't allow it
  kTimedOut = 124,   ///< --timeout
  kInterrupted = 130,///< by a signal, while the server's work goes on
};

/// Its message says what happened and what to do; it is printed on standard error.
class Failure : public std::runtime_error {
 public:
  Failure(int status, const std::string& message) : std::runtime_error(message), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// No connection, or one that broke: a later attempt may succeed.
class Unreachable : public Failure {
 public:
  explicit Unreachable(const std::string& message) : Failure(kNoAccess, message) {}
};

}  // namespace ota::otactl
