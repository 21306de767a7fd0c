// Files with secrets: read only where nobody else can.
#pragma once

#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Refuses (Errc::malformed) a missing file, and one that others may read or write; with `strict` also one that its
/// group may. `what` is the setting's name.
Result<void> check_private(const std::string& what, const std::string& file, bool strict = false);

/// The first line of the file of `mqtt.password_file`; empty where none is set.
Result<std::string> read_password(const MqttSettings& settings);

/// The secrets that sign download URLs: one a line, the first signs, all are honoured. Made at the first start, with
/// 32 bytes of the system's random source, readable for otad alone.
Result<std::vector<std::string>> signing_keys(const std::string& file);

/// All that can be known of the settings' files without starting: secrets private, keys readable.
Result<void> check_files(const Settings& settings);

}  // namespace ota::app
