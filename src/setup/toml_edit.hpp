// Sets keys in a TOML file that people wrote, and leaves their comments and everything else as it is.
#pragma once

#include <string>
#include <vector>

#include "ota/base/result.hpp"

namespace ota::setup {

struct Assignment {
  std::string section;
  std::string key;
  std::string value;  ///< as TOML has it: with quotes
};

/// A key's lines are replaced; one that is missing is added under its section, and a section at the end. Errc::malformed
/// if the text is no TOML, or keys are written in a way that this can't change.
Result<std::string> with_values(const std::string& text, const std::vector<Assignment>& values);

/// A text and a list of texts as TOML.
std::string toml_text(const std::string& text);
std::string toml_list(const std::vector<std::string>& texts);

}  // namespace ota::setup
