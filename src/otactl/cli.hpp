// The command line, made from the tables in verb.hpp.
#pragma once

#include <variant>

#include "otactl/call.hpp"
#include "otactl/verb.hpp"

namespace ota::otactl {

struct Parsed {
  const Verb* verb = nullptr;
  Values values;
};

/// What to run, or the exit status after help or an error was printed.
std::variant<Parsed, int> parse(int argc, const char* const* argv);

}  // namespace ota::otactl
