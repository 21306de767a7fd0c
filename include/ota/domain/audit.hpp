#pragma once

#include <cstdint>
#include <string>

#include "ota/base/clock.hpp"

namespace ota {

/// The author of a call: the name of the operator's key, and the address of the client.
struct Caller {
  Caller() = default;
  Caller(std::string called, std::string from = {}) : name(std::move(called)), remote(std::move(from)) {}
  Caller(const char* called) : name(called) {}

  std::string name;
  std::string remote;
};

/// One call that changes something, successful or refused.
struct AuditEntry {
  std::int64_t id = 0;
  WallTime at{};
  Caller caller;
  std::string action;   ///< `POST /firmware/upgrade`, `task.cancel`, …
  std::string target;   ///< a task, device, version or path
  std::string outcome;  ///< `done`, or the code of the error
};

}  // namespace ota
