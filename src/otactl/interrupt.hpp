// SIGINT and SIGTERM while something runs that should be ended in order.
#pragma once

#include <chrono>

namespace ota::otactl {

/// While it lives, these signals only set a flag.
class CatchInterrupts {
 public:
  CatchInterrupts();
  ~CatchInterrupts();
  CatchInterrupts(const CatchInterrupts&) = delete;
  CatchInterrupts& operator=(const CatchInterrupts&) = delete;
};

bool interrupted();

/// Until then, or until a signal comes.
void sleep_until(std::chrono::steady_clock::time_point time);

}  // namespace ota::otactl
