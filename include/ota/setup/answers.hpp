// What an operator says beforehand: `otad setup --answers FILE` (docs/operating.md, Setup).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ota/base/result.hpp"

namespace ota::setup {

struct Answers {
  std::string name;                ///< by which devices call this machine; empty: as before, else the machine's
  std::vector<std::string> names;  ///< further names and addresses; empty: as before, else those that are found
  /// Whose otactl gets an admin key; empty: nobody's; nothing: that of the user who calls.
  std::optional<std::string> user;
};

/// TOML. Errc::malformed for an unknown key or an unfit value, with file, line and key.
Result<Answers> read_answers(const std::filesystem::path& file);

}  // namespace ota::setup
