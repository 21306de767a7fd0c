// What to say of unknown arguments.
#pragma once

#include <CLI/CLI.hpp>
#include <iosfwd>

namespace ota::agent {

/// A line for each argument that `app` didn't know, in their order: the option with the nearest name, or all of them.
void print_unknown(const CLI::App& app, std::ostream& out);

}  // namespace ota::agent
