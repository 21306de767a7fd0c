// Text from outside: ASCII helpers, whether it is UTF-8, and as a part of a log line or of JSON.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ota {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Of ASCII: below the space, or DEL.
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
/// Of ASCII; other bytes stay.
constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool has_control(std::string_view text) {
  bool found = false;
  for (const char c : text) found |= is_control(c);
  return found;
}

/// Whether both are the same but for the case of ASCII letters.
constexpr bool iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return to_lower(x) == to_lower(y); });
}

/// `text` without the blanks at both ends.
constexpr std::string_view trim(std::string_view text, std::string_view blanks = " \t") {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return text.substr(text.size());
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// All of `text` as a decimal number: digits, behind a minus where `Number` has a sign. Nothing for anything else and
/// for numbers that `Number` can't hold.
template <std::integral Number>
std::optional<Number> parse_decimal(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The parts of `text` between each `at`: at least one, which may be empty.
std::vector<std::string_view> split(std::string_view text, char at);
/// The same without the empty ones.
std::vector<std::string> parts_of(std::string_view text, char at);

/// RFC 3629: no overlong forms, no surrogates, up to U+10FFFF.
bool is_utf8(std::string_view text);

/// The longest prefix of at most `max_bytes` that ends at a character's boundary; `max_bytes` if it isn't UTF-8.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

/// Appends `text` to `out`. What could break or forge a line on a terminal is escaped as `\n`, `\x1b`,
/// `\u202e`: control characters (C0, DEL, C1), line and paragraph separators, bidirectional overrides, bad UTF-8.
void append_printable(std::string& out, std::string_view text);

/// Appends `text` to `out` as a JSON string with its quotes (RFC 8259, section 7). Bad UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// The candidate that is most similar to `name`: the one with the fewest letters to insert, remove, change or
/// swap with the next (case doesn't count), at most a third of the longer of both; else the only one with the same
/// first four letters, or whose last part after a dot or an underscore is `name`. Empty if none is similar, and for
/// names over 256 bytes. The result is a view into `candidates`.
std::string_view closest(std::string_view name, std::span<const std::string_view> candidates);
inline std::string_view closest(std::string_view name, std::initializer_list<std::string_view> candidates) {
  return closest(name, std::span<const std::string_view>(candidates.begin(), candidates.size()));
}

}  // namespace ota
