#include "otactl/buckets.hpp"

#include <fmt/format.h>

#include <array>

#include "otactl/bars.hpp"
#include "otactl/format.hpp"

namespace ota::otactl {
namespace {

struct Drawn {
  const char* bucket;
  const char* pointer;
  const char* glyph;  ///< null: not in the bar
  char plain;
  Colour colour;
};

/// In the order of the bar.
constexpr std::array kBuckets{
    Drawn{"healthy", "/healthy", "█", '#', Colour::green},
    Drawn{"failed", "/failed", "✗", 'x', Colour::red},
    Drawn{"overdue", "/overdue", "!", '!', Colour::red},
    Drawn{"soaking", "/soaking", "▓", '+', Colour::yellow},
    Drawn{"staged", "/staged", "▒", '=', Colour::none},
    Drawn{"assigned", "/assigned", "░", '-', Colour::none},
    Drawn{"absent", "/absent", nullptr, ' ', Colour::none},
    Drawn{"undelivered", "/undelivered", nullptr, ' ', Colour::none},
    Drawn{"dropped", "/dropped", nullptr, ' ', Colour::none},
};

}  // namespace

std::int64_t members_of(const Json& buckets) {
  std::int64_t sum = 0;
  for (const auto& drawn : kBuckets)
    if (drawn.glyph) sum += number_at(buckets, drawn.pointer);
  return sum;
}

std::string bucket_bar(const Json& buckets, std::int64_t total, std::size_t width, const Style& style) {
  std::vector<Segment> segments;
  for (const auto& drawn : kBuckets)
    if (drawn.glyph) segments.push_back({number_at(buckets, drawn.pointer), drawn.glyph, drawn.plain, drawn.colour});
  return bar(segments, total, width, style);
}

std::string bucket_words(const Json& buckets) {
  std::string text;
  for (const auto& drawn : kBuckets)
    if (const auto count = number_at(buckets, drawn.pointer); count > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", grouped(count), drawn.bucket);
  return text.empty() ? "no device yet" : text;
}

std::string bucket_legend(const Style& style) {
  std::string text;
  for (const auto& drawn : kBuckets) {
    if (!drawn.glyph) continue;
    const std::string_view glyph = style.utf8 ? std::string_view(drawn.glyph) : std::string_view(&drawn.plain, 1);
    text += fmt::format("{}{} {}", text.empty() ? "" : "  ", glyph, drawn.bucket);
  }
  return text;
}

}  // namespace ota::otactl
