// Bars of characters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "otactl/terminal.hpp"

namespace ota::otactl {

/// A part of a bar.
struct Segment {
  std::int64_t count = 0;
  std::string_view glyph;  ///< one column, UTF-8
  char plain = '#';        ///< without UTF-8
  Colour colour = Colour::none;
};

/// How many of `width` columns each of `counts` takes, of a whole of `total`: by the largest remainders, and at least
/// one for each that isn't 0 as long as there is room. Precondition: the sum of counts is at most `total`.
std::vector<std::size_t> share_columns(const std::vector<std::int64_t>& counts, std::int64_t total, std::size_t width);

/// The segments side by side, then dots for what is left of `total`: `width` columns. Counts beyond `total` make it
/// the sum of counts.
std::string bar(const std::vector<Segment>& segments, std::int64_t total, std::size_t width, const Style& style);

/// One amount of a whole, to an eighth of a column.
std::string progress_bar(std::uint64_t done, std::uint64_t whole, std::size_t width, const Style& style);

}  // namespace ota::otactl
