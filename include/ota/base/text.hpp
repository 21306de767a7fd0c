// Text from outside: whether it is UTF-8, and as a part of a log line or of JSON.
#pragma once

#include <string>
#include <string_view>

namespace ota {

/// RFC 3629: no overlong forms, no surrogates, up to U+10FFFF.
bool is_utf8(std::string_view text);

/// Appends `text` to `out` with everything that could break or forge a line on a terminal written as `\n`, `\x1b`,
/// `\u202e`: control characters (C0, DEL, C1), line and paragraph separators, bidirectional overrides, bad UTF-8.
void append_printable(std::string& out, std::string_view text);

/// Appends `text` to `out` as a JSON string with its quotes (RFC 8259, section 7). Bad UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace ota
