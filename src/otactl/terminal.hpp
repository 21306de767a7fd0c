// The terminal: whether there is one, what it can show, and questions to the person before it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ota::otactl {

/// What a reader's terminal can show.
struct Style {
  bool utf8 = false;
  bool colour = false;  ///< never without a terminal, nor with NO_COLOR
};

enum class Colour { none, green, yellow, red, bold, faint };

std::string painted(const Style& style, Colour colour, std::string_view text);

/// Control characters and bad UTF-8 escaped (ota/base/text.hpp): for all texts that come from elsewhere.
std::string printable(std::string_view text);

/// How many columns printable text takes on the terminal, without colours.
std::size_t width_of(std::string_view text);

/// At most so many columns of it; `…` or `~` stands for the rest.
std::string cut(std::string text, std::size_t columns, const Style& style);

struct Terminal {
  bool in = false;   ///< somebody can type
  bool out = false;  ///< standard output is shown
  bool err = false;
  bool dumb = false;  ///< it can't move its cursor
  Style style;

  /// Whether lines can be drawn again in their place.
  bool draws() const { return out && !dumb; }
  /// Width now; 0 without a terminal: no limit.
  std::size_t columns() const;
  std::size_t rows() const;
};

/// Looks at the standard streams and at TERM, NO_COLOR and the locale.
Terminal find_terminal();

}  // namespace ota::otactl
