// Subcommands of `otad`. `keys` and `backup` may run beside the daemon, because WAL permits several processes;
// `firmware` and `restore` require that the daemon is stopped; `simulate` has nothing to do with it. `setup` and `devices`
// work on files of the machine, and call other programs.
#pragma once

#include <string>

#include "app/arguments.hpp"
#include "ota/base/settings.hpp"
#include "ota/domain/api_key.hpp"

namespace ota::app {

/// Each returns the exit status and prints errors on standard error.
int add_key(const Settings& settings, const Arguments& arguments);
int list_keys(const Settings& settings);
int remove_key(const Settings& settings, const Arguments& arguments);
int backup(const Settings& settings, const Arguments& arguments);
int restore(const Settings& settings, const Arguments& arguments);
/// The secret of a new key; Errc::in_use if there is one of that name.
Result<std::string> make_key(const Settings& settings, const std::string& name, Role role);
/// Errc::not_found if there is none.
Result<void> drop_key(const Settings& settings, const std::string& name);
bool has_key(const Settings& settings, const std::string& name);
int list_orphans(const Settings& settings);
int adopt_orphan(const Settings& settings, const Arguments& arguments);
int purge_orphans(const Settings& settings, const Arguments& arguments);
/// These read the settings that they need themselves.
int simulate_rollout(const Arguments& arguments);
int setup(const Arguments& arguments);
int import_devices(const Arguments& arguments);

/// Writes `otad: <message>` to standard error and answers `status`.
int complain(const std::string& message, int status = kFault);

}  // namespace ota::app
