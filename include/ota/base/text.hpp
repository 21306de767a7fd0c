// Text from outside: whether it is UTF-8, and as a part of a log line or of JSON.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace ota {

/// RFC 3629: no overlong forms, no surrogates, up to U+10FFFF.
bool is_utf8(std::string_view text);

/// The longest beginning of at most `max_bytes` that ends at a character's end; of what is no UTF-8, `max_bytes`.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

/// Appends `text` to `out` with everything that could break or forge a line on a terminal written as `\n`, `\x1b`,
/// `\u202e`: control characters (C0, DEL, C1), line and paragraph separators, bidirectional overrides, bad UTF-8.
void append_printable(std::string& out, std::string_view text);

/// Appends `text` to `out` as a JSON string with its quotes (RFC 8259, section 7). Bad UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

/// The candidate that `name` was most likely meant to be: the one with the fewest letters to insert, remove, change or
/// swap with the next (case doesn't count), at most a third of the longer of both; else the only one with the same
/// first four letters, or whose last part after a dot or an underscore is `name`. Empty where none is near, and for
/// names beyond 256 bytes. The answer lies in `candidates`.
std::string_view closest(std::string_view name, std::span<const std::string_view> candidates);
inline std::string_view closest(std::string_view name, std::initializer_list<std::string_view> candidates) {
  return closest(name, std::span<const std::string_view>(candidates.begin(), candidates.size()));
}

}  // namespace ota
