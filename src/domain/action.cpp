#include "ota/domain/action.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace ota {
namespace {

constexpr std::array<std::string_view, 8> kExecutions{"closed",   "proceeding", "canceled",   "scheduled",
                                                      "rejected", "resumed",    "downloaded", "download"};
constexpr std::array<std::string_view, 3> kFinished{"success", "failure", "none"};

template <class Word, std::size_t size>
std::optional<Word> parse_word(const std::array<std::string_view, size>& words, std::string_view text) {
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return {};
  return static_cast<Word>(found - words.begin());
}

/// Of a decimal number: 1, 10, 100, …
std::int64_t place_of_first_digit(std::int64_t number) {
  std::int64_t place = 1;
  while (number / place >= 10) place *= 10;
  return place;
}

}  // namespace

std::optional<ActionId> readable_action(std::int64_t from) {
  auto id = std::max<std::int64_t>(from, 1);
  while (id % place_of_first_digit(id) == 0) ++id;
  if (id > std::numeric_limits<ActionId>::max()) return {};
  return static_cast<ActionId>(id);
}

std::string_view to_string(Execution execution) { return kExecutions.at(static_cast<std::size_t>(execution)); }
std::optional<Execution> parse_execution(std::string_view text) { return parse_word<Execution>(kExecutions, text); }
std::optional<Finished> parse_finished(std::string_view text) { return parse_word<Finished>(kFinished, text); }

}  // namespace ota
