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

}  // namespace ota::agent
