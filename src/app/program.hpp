// Other programs that commands of `otad` call.
#pragma once

#include <string>
#include <vector>

#include "ota/base/result.hpp"

namespace ota::app {

struct Program {
  std::string path;                      ///< a name without a slash is looked up in PATH
  std::vector<std::string> arguments{};
  std::vector<std::string> environment{};  ///< `NAME=value`, besides this process's own; `NAME` takes one out
  std::string input{};                     ///< up to 4 KiB
};

/// Its exit status; it writes to this process's output. Errc::not_found if it is not there, Errc::server_fault if it
/// ended by a signal.
Result<int> run_program(const Program& program);

/// The program of that name beside this one, else in PATH.
std::string sibling(const std::string& name);

}  // namespace ota::app
