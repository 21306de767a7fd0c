// One daemon for one database. (The store locks its folder by itself.)
#pragma once

#include <string>

#include "ota/base/file.hpp"

namespace ota::app {

/// The lock is on `<database>.lock`, made where it is missing, and held until the file is closed. The error, always
/// Errc::server_fault, says who holds it.
Result<File> lock_database(const std::string& database);

}  // namespace ota::app
