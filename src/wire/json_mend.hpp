// Strings that clients build without a JSON library, from the output of an installer for example.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ota::wire {

/// The JSON text with strings as RFC 8259, 7 wants them: control characters are escaped, a backslash that escapes
/// nothing stands for itself, and what is no UTF-8 or half a surrogate pair becomes U+FFFD. Nothing where that changes
/// nothing. The result has at most six times the bytes.
std::optional<std::string> mend_strings(std::string_view text);

}  // namespace ota::wire
