// Files that the agent goes by: read, and seen to be safe from others.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota::agent {

/// A regular file of at most 1 MiB (ota/base/file.hpp).
Result<std::string> read_small_file(const std::filesystem::path& file);

/// Errc::malformed if there is something else than a regular file: to read it may never end. `what`: name of the option.
Result<void> check_regular(std::string_view what, const std::filesystem::path& file);

/// Errc::forbidden if others may write to the file or folder, or if it belongs to neither this process's user nor root;
/// Errc::malformed if it can't be examined. `what`: name of the option.
Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file);

/// The same for a regular file with a secret, which others must not be able to read either.
Result<void> check_private(std::string_view what, const std::filesystem::path& file);

}  // namespace ota::agent
