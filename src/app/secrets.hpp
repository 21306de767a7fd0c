// Files with secrets: read only where nobody else can.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Refuses (Errc::malformed) a missing file, one that belongs to another user than root and `owner`, and one
/// that others may read or write; with `strict` also one that its group may. `what` is the setting's name.
Result<void> check_private(const std::string& what, const std::string& file, bool strict = false,
                           uid_t owner = ::geteuid());

/// The first line of the file of `mqtt.password_file`; empty where none is set.
Result<std::string> read_password(const MqttSettings& settings, uid_t owner = ::geteuid());

/// The secrets that sign download URLs: one a line, the first signs, all are honoured. Made at the first start, with
/// 32 bytes of the system's random source, readable for otad alone.
Result<std::vector<std::string>> signing_keys(const std::string& file);

/// All that can be known of the settings' files without starting: secrets private, keys readable. `owner` is the user
/// that the daemon runs as.
Result<void> check_files(const Settings& settings, uid_t owner = ::geteuid());

/// For whom root checks settings: who owns the database's folder, else root.
uid_t user_of_daemon(const Settings& settings);

}  // namespace ota::app
