// What is wrong with the settings, as far as it shows without starting.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// load_settings() with the environment of this process, and with the rules of POST /rollouts for the stages by default.
Result<Settings> read_settings(const std::string& file);

/// The checks of the settings' files that are possible without starting: secrets private, keys and certificates usable,
/// data folders, database and log writable. All errors are Errc::malformed. `owner`: the user that the daemon runs as.
Result<void> check_files(const Settings& settings, uid_t owner = ::geteuid());

/// Makes the folder where it is missing. Errc::malformed where the setting is wrong, Errc::server_fault for what may pass.
Result<void> ready_folder(const char* setting, const std::filesystem::path& folder);

/// The user for whom root checks the settings: the owner of the database's folder, else root.
uid_t user_of_daemon(const Settings& settings);

}  // namespace ota::app
