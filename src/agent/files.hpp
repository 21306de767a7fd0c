// Files that the agent goes by: read, and seen to be safe from others.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota::agent {

/// At most 1 MiB; nothing where it is missing or cannot be read.
std::optional<std::string> read_small_file(const std::filesystem::path& file);

/// Errc::forbidden for a file or folder that the agent goes by, and that others may write to or that belongs to neither
/// this process's user nor root; Errc::malformed where it can't be examined. `what` is the option's name.
Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file);

/// The same for a file with a secret, which others may not read either.
Result<void> check_private(std::string_view what, const std::filesystem::path& file);

}  // namespace ota::agent
