// What `otad` does beside a running daemon (keys, backups: WAL lets both work on the database at once) or while none
// runs (images).
#pragma once

#include <string>

#include "app/arguments.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Each answers the exit status and says on standard error what went wrong.
int add_key(const Settings& settings, const Arguments& arguments);
int list_keys(const Settings& settings);
int remove_key(const Settings& settings, const Arguments& arguments);
int backup(const Settings& settings, const Arguments& arguments);
int list_orphans(const Settings& settings);
int adopt_orphan(const Settings& settings, const Arguments& arguments);
int purge_orphans(const Settings& settings, const Arguments& arguments);

/// Writes `otad: <message>` to standard error and answers `status`.
int complain(const std::string& message, int status = kFault);

}  // namespace ota::app
