#include "ota/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

namespace ota {
namespace {

constexpr char32_t kBad = 0xffffffff;

struct Decoded {
  char32_t point = kBad;
  std::size_t length = 1;
};

/// The code point that `text` starts with (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF).
Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  char32_t point = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    point = (point << 6) | (byte(i) & 0x3f);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {};
  return {point, length};
}

bool breaks_lines(char32_t point) {
  return point < 0x20 || (point >= 0x7f && point <= 0x9f) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

char short_escape(char32_t point) {
  switch (point) {
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

/// The length of the prefix that needs no escape in JSON; usually the whole text.
std::size_t plain_letters(std::string_view text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), plain) - text.begin());
}

constexpr std::size_t kLongestName = 256;  ///< the time of the distance grows with both lengths

/// The number of insertions, removals, changes and swaps of neighbours from `a` to `b` (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);  // the second previous row
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = to_lower(a[i - 1]) == to_lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
      if (i > 1 && j > 1 && to_lower(a[i - 1]) == to_lower(b[j - 2]) && to_lower(a[i - 2]) == to_lower(b[j - 1]))
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

/// The same first four letters, or `name` is the part after the last dot or underscore.
bool shares_part(std::string_view name, std::string_view whole) {
  constexpr std::size_t kBeginning = 4;
  if (name.size() >= kBeginning && iequals(name.substr(0, kBeginning), whole.substr(0, kBeginning))) return true;
  if (name.empty() || name.size() >= whole.size()) return false;
  const auto cut = whole.size() - name.size();
  return (whole[cut - 1] == '.' || whole[cut - 1] == '_') && iequals(name, whole.substr(cut));
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::vector<std::string> parts_of(std::string_view text, char at) {
  std::vector<std::string> parts;
  for (const auto part : split(text, at))
    if (!part.empty()) parts.emplace_back(part);
  return parts;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Decoded next = decode(text);
    if (next.point == kBad) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  const auto follows = [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; };
  std::size_t end = max_bytes;
  for (int back = 0; back < 3 && end > 0 && follows(text[end]); ++back) --end;
  return text.substr(0, follows(text[end]) ? max_bytes : end);
}

void append_printable(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Decoded next = decode(text);
    if (next.point == kBad) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (!breaks_lines(next.point)) {
      out.append(text.substr(0, next.length));
    } else if (const char letter = short_escape(next.point)) {
      out += '\\';
      out += letter;
    } else if (next.point < 0x100) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned>(next.point));
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(next.point));
    }
    text.remove_prefix(next.length);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (;;) {
    const std::size_t plain = plain_letters(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const Decoded next = decode(text);
    if (next.point == kBad) {
      out += "\xef\xbf\xbd";
    } else if (next.point == '"' || next.point == '\\') {
      out += '\\';
      out += text[0];
    } else if (!breaks_lines(next.point)) {
      out.append(text.substr(0, next.length));
    } else if (const char letter = short_escape(next.point)) {
      out += '\\';
      out += letter;
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(next.point));
    }
    text.remove_prefix(next.length);
  }
  out += '"';
}

std::string_view closest(std::string_view name, std::span<const std::string_view> candidates) {
  std::string_view best;
  std::size_t fewest = 0;
  if (name.empty() || name.size() > kLongestName) return best;
  for (const auto candidate : candidates) {
    const auto steps = distance(name, candidate);
    if (steps * 3 > std::max(name.size(), candidate.size()) || (!best.empty() && steps >= fewest)) continue;
    best = candidate;
    fewest = steps;
  }
  if (!best.empty()) return best;
  const auto alike = [name](std::string_view candidate) { return shares_part(name, candidate); };
  const auto at = std::find_if(candidates.begin(), candidates.end(), alike);
  if (at == candidates.end() || std::any_of(at + 1, candidates.end(), alike)) return best;
  return *at;
}

}  // namespace ota
