// Waiting for what another thread or process does.
#pragma once

#include <chrono>
#include <thread>

namespace ota::test {

/// Waits until `ready` or the time is up; answers the last `ready()`.
template <class Ready>
bool eventually(Ready ready, std::chrono::milliseconds patience = std::chrono::seconds(20)) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!ready()) {
    if (std::chrono::steady_clock::now() > until) return ready();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace ota::test
