#include "otactl/table.hpp"

#include <algorithm>
#include <numeric>

namespace ota::otactl {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kLeastWidth = 8;  ///< of a column that is made narrower

std::size_t whole(const std::vector<std::size_t>& widths) {
  const auto shown = static_cast<std::size_t>(
      std::count_if(widths.begin(), widths.end(), [](auto width) { return width > 0; }));
  return std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + (shown == 0 ? 0 : kGap * (shown - 1));
}

/// The widest column that may become narrower, or the end.
std::vector<std::size_t>::iterator widest(std::vector<std::size_t>& widths, const std::vector<std::size_t>& least) {
  auto found = widths.end();
  for (auto it = widths.begin(); it != widths.end(); ++it) {
    if (*it <= least[static_cast<std::size_t>(it - widths.begin())]) continue;
    if (found == widths.end() || *it > *found) found = it;
  }
  return found;
}

void append_cell(std::string& line, std::string cell, std::size_t width, bool right) {
  const auto blanks = width - std::min(width, width_of(cell));
  if (right) line.append(blanks, ' ');
  line += cell;
  if (!right) line.append(blanks, ' ');
}

}  // namespace

std::vector<std::size_t> fit_columns(std::vector<std::size_t> widths, const std::vector<std::size_t>& least,
                                     std::size_t available) {
  if (available == 0) return widths;
  while (whole(widths) > available) {
    if (const auto column = widest(widths, least); column != widths.end()) {
      --*column;
      continue;
    }
    auto last = widths.size();
    while (last > 1 && widths[last - 1] == 0) --last;
    if (last <= 1) break;
    widths[last - 1] = 0;
  }
  if (!widths.empty() && whole(widths) > available) widths.front() = available;
  return widths;
}

std::string Table::text(std::size_t available, const Style& style) const {
  std::vector<std::size_t> natural;
  std::vector<std::size_t> least;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    natural.push_back(width);
    least.push_back(std::min(width, std::max(kLeastWidth, width_of(columns_[i].title))));
  }
  const auto widths = fit_columns(natural, least, available);
  std::string text;
  const auto add_line = [&](const auto& cell_of, Colour colour) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (widths[i] == 0) continue;
      if (!line.empty()) line.append(kGap, ' ');
      append_cell(line, cut(cell_of(i), widths[i], style), widths[i], columns_[i].right);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += painted(style, colour, line) + "\n";
  };
  add_line([&](std::size_t i) { return columns_[i].title; }, Colour::bold);
  for (const auto& row : rows_) add_line([&](std::size_t i) { return row[i]; }, Colour::none);
  return text;
}

}  // namespace ota::otactl
