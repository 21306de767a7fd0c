#include "wire/json_mend.hpp"

#include <fmt/format.h>

#include <charconv>

#include "ota/base/text.hpp"

namespace ota::wire {
namespace {

constexpr std::string_view kReplacement = "\\ufffd";

/// The code unit of the escape `\uXXXX` that the text begins with.
std::optional<unsigned> code_unit(std::string_view text) {
  if (text.size() < 6 || !text.starts_with("\\u")) return std::nullopt;
  unsigned unit = 0;
  const auto* end = text.data() + 6;
  const auto [stop, error] = std::from_chars(text.data() + 2, end, unit, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return unit;
}

bool is_high(unsigned unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(unsigned unit) { return unit >= 0xDC00 && unit < 0xE000; }

/// How many bytes the UTF-8 character has that the text begins with; 0: it is none.
std::size_t character_bytes(std::string_view text) {
  for (std::size_t bytes = 2; bytes <= 4 && bytes <= text.size(); ++bytes)
    if (is_utf8(text.substr(0, bytes))) return bytes;
  return 0;
}

/// Appends what the text inside a string begins with; how many bytes of it that were.
std::size_t append_next(std::string& mended, std::string_view text) {
  const auto keep = [&](std::size_t bytes) {
    mended += text.substr(0, bytes);
    return bytes;
  };
  const auto byte = static_cast<unsigned char>(text.front());
  if (byte < 0x20) {
    mended += fmt::format("\\u{:04x}", byte);
    return 1;
  }
  if (byte >= 0x80) {
    if (const auto bytes = character_bytes(text); bytes > 0) return keep(bytes);
    mended += kReplacement;
    return 1;
  }
  if (byte != '\\') return keep(1);
  if (const auto unit = code_unit(text)) {
    const auto next = code_unit(text.substr(6));
    if (is_high(*unit) && next && is_low(*next)) return keep(12);
    if (!is_high(*unit) && !is_low(*unit)) return keep(6);
    mended += kReplacement;
    return 6;
  }
  constexpr std::string_view kEscapable = "\"\\/bfnrt";
  if (text.size() > 1 && kEscapable.find(text[1]) != std::string_view::npos) return keep(2);
  mended += "\\\\";
  return 1;
}

}  // namespace

std::optional<std::string> mend_strings(std::string_view text) {
  std::string mended;
  mended.reserve(text.size());
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '"' || !inside) {
      inside = inside != (text[at] == '"');
      mended += text[at++];
    } else {
      at += append_next(mended, text.substr(at));
    }
  }
  if (mended == text) return std::nullopt;
  return mended;
}

}  // namespace ota::wire
