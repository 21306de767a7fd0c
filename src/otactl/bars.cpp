#include "otactl/bars.hpp"

#include <algorithm>
#include <cmath>
#include <array>
#include <numeric>

namespace ota::otactl {
namespace {

constexpr std::array kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};

std::string repeated(std::string_view glyph, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += glyph;
  return text;
}

}  // namespace

std::vector<std::size_t> share_columns(const std::vector<std::int64_t>& counts, std::int64_t total, std::size_t width) {
  std::vector<std::size_t> columns(counts.size(), 0);
  if (total <= 0 || width == 0) return columns;
  const auto sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  const auto exact = [&](std::int64_t count) {
    return static_cast<double>(count) * static_cast<double>(width) / static_cast<double>(total);
  };
  const auto nonzero = std::count_if(counts.begin(), counts.end(), [](auto count) { return count > 0; });
  // Full only where nothing is left.
  auto left = sum >= total ? width : std::min(width - 1, static_cast<std::size_t>(std::lround(exact(sum))));
  left = std::max(left, std::min(static_cast<std::size_t>(nonzero), width));
  const auto give = [&](std::size_t i) {
    ++columns[i];
    --left;
  };
  for (std::size_t i = 0; i < counts.size() && left > 0; ++i)
    if (counts[i] > 0) give(i);
  while (left > 0 && nonzero > 0) {
    std::size_t most = 0;
    const auto owed = [&](std::size_t i) { return exact(counts[i]) - static_cast<double>(columns[i]); };
    for (std::size_t i = 1; i < counts.size(); ++i)
      if (counts[i] > 0 && (counts[most] <= 0 || owed(i) > owed(most))) most = i;
    give(most);
  }
  return columns;
}

std::string bar(const std::vector<Segment>& segments, std::int64_t total, std::size_t width, const Style& style) {
  std::vector<std::int64_t> counts;
  counts.reserve(segments.size());
  for (const auto& segment : segments) counts.push_back(std::max<std::int64_t>(segment.count, 0));
  total = std::max(total, std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  const auto columns = share_columns(counts, total, width);
  std::string text;
  std::size_t used = 0;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const std::string_view glyph = style.utf8 ? segments[i].glyph : std::string_view(&segments[i].plain, 1);
    text += painted(style, segments[i].colour, repeated(glyph, columns[i]));
    used += columns[i];
  }
  return text + repeated(style.utf8 ? "·" : ".", width - std::min(width, used));
}

std::string progress_bar(std::uint64_t done, std::uint64_t whole, std::size_t width, const Style& style) {
  const auto share = whole == 0 ? 0.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(whole));
  const auto eighths = static_cast<std::size_t>(share * static_cast<double>(width * 8));
  auto full = eighths / 8;
  std::string text = repeated(style.utf8 ? "█" : "#", full);
  if (style.utf8 && eighths % 8 > 0) {
    text += kEighths[eighths % 8];
    ++full;
  }
  return text + repeated(style.utf8 ? "·" : ".", width - full);
}

}  // namespace ota::otactl
