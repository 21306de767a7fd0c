#include "ota/base/unknown_argument.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "ota/base/text.hpp"

namespace ota {

std::string unknown_argument(std::string_view word, std::span<const std::string> known) {
  std::string said = "unknown argument ";
  append_printable(said, word);
  const std::vector<std::string_view> names(known.begin(), known.end());
  const auto meant = closest(word.substr(0, word.find('=')), names);
  return said + (meant.empty() ? fmt::format("; known are {}", fmt::join(known, ", "))
                               : fmt::format("; did you mean {}?", meant));
}

}  // namespace ota
