// Completion: a script for the shell, which asks the program for each word.
#pragma once

#include <string>
#include <vector>

#include "otactl/verb.hpp"

namespace ota::otactl {

/// otactl completion bash|zsh|fish.
Verb completion_verb();

/// For `bash`, `zsh` or `fish`.
std::string completion_script(const std::string& shell);

/// What stands at the place of the last word, which may be empty.
struct Place {
  const Verb* verb = nullptr;            ///< nothing before it is known
  const Parameter* parameter = nullptr;  ///< whose value it is; nothing for a noun, verb or option
  std::vector<std::string> words;        ///< nouns, verbs, options or fixed values that fit there
  std::vector<std::pair<std::string, std::string>> options;  ///< that were given before
};
/// `words` follow the program's name.
Place place_of(const std::vector<std::string>& words);

/// Prints candidates for the last word, one a line; `:file` where a file is wanted. Asks the server for ids and names,
/// for two seconds at most, and prints nothing when it can't be asked.
int complete(const std::vector<std::string>& words);

}  // namespace ota::otactl
