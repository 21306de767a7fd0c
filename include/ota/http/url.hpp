// Percent-encoding, queries and public URLs (RFC 3986).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ota::http {

/// Nothing for a broken escape. `+` stays `+`.
std::optional<std::string> percent_decode(std::string_view text);
/// All but `A-Z a-z 0-9 - . _ ~` is escaped.
std::string percent_encode(std::string_view text);

using QueryItems = std::vector<std::pair<std::string, std::string>>;
/// `a=1&b=2`, decoded, `+` as a space; an item without `=` has an empty value. Nothing for a broken escape or more
/// than 32 items.
std::optional<QueryItems> parse_query(std::string_view query);

/// Path segments between the slashes, decoded: `/ota/gw-1/next` gives {"ota", "gw-1", "next"}. Nothing for a broken
/// escape, an escaped slash or NUL, an empty segment, `.` or `..`.
std::optional<std::vector<std::string>> split_path(std::string_view path);

}  // namespace ota::http
