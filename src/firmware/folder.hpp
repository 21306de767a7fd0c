// The store's folder: made, locked, listed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ota/base/file.hpp"
#include "ota/base/result.hpp"

namespace ota::firmware {

/// Where files grow before they get their name; on the same file system.
inline std::filesystem::path temporary_dir_of(const std::filesystem::path& dir) { return dir / "tmp"; }

/// 0750, where it is missing. Errc::server_fault where it can't be made or written to.
Result<void> make_folder(const std::filesystem::path& dir);

/// Holds the folder until the file is closed: two daemons on one would remove each other's uploads. Errc::in_use.
Result<File> lock_folder(const std::filesystem::path& dir);

/// Names of the ordinary files; what can't be listed is logged.
std::vector<std::string> files_in(const std::filesystem::path& dir);

/// A file that is gone already is no fault; any other is logged.
void remove_file(const std::filesystem::path& path);

}  // namespace ota::firmware
