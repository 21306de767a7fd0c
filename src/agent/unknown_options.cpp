#include "agent/unknown_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <ostream>
#include <string>
#include <vector>

#include "ota/base/text.hpp"

namespace ota::agent {

void print_unknown(const CLI::App& app, std::ostream& out) {
  std::vector<std::string> there;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) there.push_back("--" + name);
  const std::vector<std::string_view> names(there.begin(), there.end());
  for (const auto& word : app.remaining()) {
    std::string said = "ota-agent: unknown argument ";
    append_printable(said, word);
    const auto meant = closest(word.substr(0, word.find('=')), names);
    out << said
        << (meant.empty() ? fmt::format("; known are {}\n", fmt::join(names, ", "))
                          : fmt::format("; did you mean {}?\n", meant));
  }
}

}  // namespace ota::agent
