#include "agent/unknown_options.hpp"

#include <ostream>
#include <string>
#include <vector>

#include "ota/base/unknown_argument.hpp"

namespace ota::agent {

void print_unknown(const CLI::App& app, std::ostream& out) {
  std::vector<std::string> there;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames()) there.push_back("--" + name);
  for (const auto& word : app.remaining()) out << "ota-agent: " << unknown_argument(word, there) << '\n';
}

}  // namespace ota::agent
