// The daemon's run: from start to the signal that ends it.
#pragma once

#include <string>

#include "ota/base/settings.hpp"

namespace ota::app {

/// Returns the exit status. `config` is the file that SIGHUP reads again; it may be empty.
int run_daemon(const Settings& settings, const std::string& config);

/// Prints each error of invalid settings on standard error.
void tell(const Error& error);

}  // namespace ota::app
