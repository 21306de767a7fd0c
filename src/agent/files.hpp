// Files that the agent goes by: read, and seen to be safe from others.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota::agent {

/// At most 1 MiB; nothing if it is missing or can't be read.
std::optional<std::string> read_small_file(const std::filesystem::path& file);

/// Errc::forbidden if others may write to the file or folder, or if it belongs to neither this process's user nor root;
/// Errc::malformed if it can't be examined. `what`: name of the option.
Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file);

/// The same for a file with a secret, which others must not be able to read either.
Result<void> check_private(std::string_view what, const std::filesystem::path& file);

}  // namespace ota::agent
