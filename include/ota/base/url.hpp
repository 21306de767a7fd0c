// URLs, the host and port in them, percent-encoding and queries (RFC 3986): the one place that takes them apart.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace ota {

enum class HostKind { name, ipv4, ipv6 };

/// `host`, `host:port`, `[IPv6]`, `[IPv6]:port`. Views into the text that was parsed.
struct Authority {
  std::string_view host;  ///< without brackets and without a dot at its end; an IPv6 address may have a zone (`%eth0`)
  HostKind kind = HostKind::name;
  std::string_view port{};  ///< up to five digits, empty where there is none
  bool has_port = false;    ///< a colon stands behind the host
};

/// Nothing for anything else, with a user name in front, escapes, or a host of more than 253 bytes or that is neither an
/// address nor a host name: RFC 1123, and the underscore that container networks use. Digits and dots alone must be an
/// IPv4 address.
std::optional<Authority> parse_authority(std::string_view text);
/// What is returned would view a text that is gone.
template <class Text>
  requires std::same_as<std::remove_cv_t<Text>, std::string>
std::optional<Authority> parse_authority(Text&& text) = delete;
/// Whether `text` is what Authority::host holds.
bool is_host(std::string_view text);
/// 0 to 65535; nothing where there is no port, or a greater number.
std::optional<std::uint16_t> port_number(const Authority& authority);
/// `host:port`, an IPv6 address in brackets.
std::string host_and_port(std::string_view host, std::string_view port);

/// Views into the text that was parsed.
struct Url {
  std::string_view scheme;  ///< not empty, otherwise as it stands
  Authority authority;
  std::string_view origin;  ///< `scheme://authority`
  std::string_view target;  ///< from the first `/`, `?` or `#` behind the authority on, as it stands: not checked
};

/// Nothing where `text` doesn't begin with a scheme, `://` and an authority that parse_authority() takes.
std::optional<Url> parse_url(std::string_view text);
/// As for parse_authority().
template <class Text>
  requires std::same_as<std::remove_cv_t<Text>, std::string>
std::optional<Url> parse_url(Text&& text) = delete;

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

}  // namespace ota
