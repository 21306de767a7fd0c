// What `otad` does beside a running daemon: keys and backups. WAL lets both work on the database at once.
#pragma once

#include "app/arguments.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Each answers the exit status and says on standard error what went wrong.
int add_key(const Settings& settings, const Arguments& arguments);
int list_keys(const Settings& settings);
int remove_key(const Settings& settings, const Arguments& arguments);
int backup(const Settings& settings, const Arguments& arguments);

}  // namespace ota::app
