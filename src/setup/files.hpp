// Files of the machine, as they are and as they shall be.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

#include "ota/base/result.hpp"
#include "ota/setup/machine.hpp"

namespace ota::setup {

struct FileState {
  std::string content;
  mode_t mode = 0;
  Owner owner;
};

/// Nothing where there is no file.
Result<std::optional<FileState>> look(const std::filesystem::path& path);

/// As ota::write_durably, with exactly this mode and, for root, owner.
Result<void> put(const std::filesystem::path& path, const FileState& file);

/// The lines that differ, with `-` and `+` in front and `indent` before that.
std::string difference(const std::string& from, const std::string& to, const std::string& indent);

}  // namespace ota::setup
