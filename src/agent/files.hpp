// Small files that are there whole or not at all.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/result.hpp"

namespace ota::agent {

/// At most 1 MiB; nothing where it is missing or cannot be read.
std::optional<std::string> read_small_file(const std::filesystem::path& file);

/// Writes beside, syncs, renames, syncs the folder: after a crash the old content is there or the new.
Result<void> write_file_safely(const std::filesystem::path& file, std::string_view content);

/// Renames and syncs the folder. Both in the same one.
Result<void> rename_safely(const std::filesystem::path& from, const std::filesystem::path& to);

/// Errc::forbidden for a file or folder that the agent goes by, and that others may write to or that belongs to neither
/// this process's user nor root; Errc::malformed where it can't be examined. `what` is the option's name.
Result<void> check_unchangeable(std::string_view what, const std::filesystem::path& file);

/// The same for a file with a secret, which others may not read either.
Result<void> check_private(std::string_view what, const std::filesystem::path& file);

}  // namespace ota::agent
