// Subcommands of `otad`. `keys` and `backup` may run beside the daemon, because WAL permits several processes;
// `firmware` and `restore` require that the daemon is stopped; `simulate` has nothing to do with it.
#pragma once

#include <string>

#include "app/arguments.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Each returns the exit status and prints errors on standard error.
int add_key(const Settings& settings, const Arguments& arguments);
int list_keys(const Settings& settings);
int remove_key(const Settings& settings, const Arguments& arguments);
int backup(const Settings& settings, const Arguments& arguments);
int restore(const Settings& settings, const Arguments& arguments);
int list_orphans(const Settings& settings);
int adopt_orphan(const Settings& settings, const Arguments& arguments);
int purge_orphans(const Settings& settings, const Arguments& arguments);
/// Reads no settings.
int simulate_rollout(const Arguments& arguments);

/// Writes `otad: <message>` to standard error and answers `status`.
int complain(const std::string& message, int status = kFault);

}  // namespace ota::app
