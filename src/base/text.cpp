#include "ota/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

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

/// How many letters at the start JSON takes as they are: most often all.
std::size_t plain_letters(std::string_view text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), plain) - text.begin());
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Decoded next = decode(text);
    if (next.point == kBad) return false;
    text.remove_prefix(next.length);
  }
  return true;
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

}  // namespace ota
