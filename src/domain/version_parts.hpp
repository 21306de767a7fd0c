// How a version is taken apart, for its order and for its key.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace ota {

bool is_alpha(char c);
bool all_digits(std::string_view text);

/// Cuts `text` at the first `mark`: answers what is before it and leaves what is after.
std::string_view take_until(std::string_view& text, char mark);

struct SemVer {
  std::array<std::string_view, 3> core;
  std::string_view prerelease;  ///< empty: a release
};
/// SemVer 2.0, with a leading `v` or without.
std::optional<SemVer> parse_semver(std::string_view text);

/// Where the suffix `(\.[A-Za-z~][A-Za-z0-9~]*)*$` begins (GNU coreutils manual, "Version sort", "Special handling of
/// file extensions").
std::size_t suffix_start(std::string_view text);

/// The digits at `at` without leading zeros, which may be none; moves `at` behind them.
std::string_view take_number(std::string_view text, std::size_t& at);

}  // namespace ota
