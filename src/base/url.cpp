#include "ota/base/url.hpp"

#include <algorithm>
#include <boost/version.hpp>
#if BOOST_VERSION < 108300
// Boost.URL itself is compiled here and nowhere else: Debian 12 packages its headers with Boost, but not its library.
#include <boost/url/src.hpp>
#else
#include <boost/url.hpp>
#endif

#include "ota/base/text.hpp"

namespace ota {
namespace {

namespace urls = boost::urls;

constexpr std::size_t kMaxQueryItems = 32;
constexpr std::size_t kLongestHost = 253;  // RFC 1035, 2.3.4
constexpr std::size_t kLongestPort = 5;

/// Boost.URL 1.81 reads no zones (RFC 6874): `%eth0` of `[fe80::1%eth0]`, empty where there is none.
std::string_view zone_of(std::string_view text) {
  const auto end = text.find(']');
  const auto zone = text.substr(0, end).find('%');
  if (!text.starts_with('[') || zone == std::string_view::npos || end == std::string_view::npos) return {};
  return text.substr(zone, end - zone);
}

bool is_zone_letter(char c) { return c == '%' || urls::unreserved_chars(c); }

/// RFC 1123, and the underscore that container networks use.
bool is_host_name(std::string_view text) {
  const auto fits = [](char c) { return urls::grammar::alnum_chars(c) || c == '-' || c == '.' || c == '_'; };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits) && text.front() != '-' && text.front() != '.' &&
         text.back() != '-' && text.back() != '.' && text.find("..") == std::string_view::npos;
}

bool looks_like_ipv4(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  const auto escaped = urls::make_pct_string_view(text);
  if (!escaped) return std::nullopt;
  urls::encoding_opts options;
  options.space_as_plus = plus_is_space;
  return escaped->decode(options);
}

/// `text` had `zone` taken out in front of its bracket, for Boost; `parts` views the text as it was.
std::optional<Authority> to_authority(const urls::authority_view& parsed, std::string_view text) {
  if (parsed.has_userinfo() || parsed.port().size() > kLongestPort) return std::nullopt;
  Authority parts;
  parts.has_port = parsed.has_port();
  parts.port = text.substr(text.size() - parsed.port().size());
  parts.host = text.substr(0, text.size() - parts.port.size() - (parts.has_port ? 1 : 0));
  switch (parsed.host_type()) {
    case urls::host_type::ipv4:
      parts.kind = HostKind::ipv4;
      return parts;
    case urls::host_type::ipv6:
      parts.kind = HostKind::ipv6;
      parts.host = parts.host.substr(1, parts.host.size() - 2);
      return parts.host.size() <= kLongestHost ? std::optional(parts) : std::nullopt;  // a zone has no bound of its own
    case urls::host_type::name:
      break;
    default:
      return std::nullopt;
  }
  if (parts.host.ends_with('.')) parts.host.remove_suffix(1);
  if (looks_like_ipv4(parts.host)) {
    parts.kind = HostKind::ipv4;
    return urls::parse_ipv4_address(parts.host) ? std::optional(parts) : std::nullopt;
  }
  return is_host_name(parts.host) && parts.host.size() <= kLongestHost ? std::optional(parts) : std::nullopt;
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  const auto zone = zone_of(text);
  if (!zone.empty() && (zone.size() == 1 || !std::all_of(zone.begin(), zone.end(), is_zone_letter)))
    return std::nullopt;
  std::string without_zone(text);
  if (!zone.empty()) without_zone.erase(static_cast<std::size_t>(zone.data() - text.data()), zone.size());
  const auto parsed = urls::parse_authority(without_zone);
  return parsed ? to_authority(*parsed, text) : std::nullopt;
}

bool is_host(std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  const auto written = v6 ? "[" + std::string(text) + "]" : std::string(text);
  const auto parts = parse_authority(written);
  return parts && !parts->has_port && (parts->kind == HostKind::ipv6) == v6;
}

std::optional<std::uint16_t> port_number(const Authority& authority) {
  return parse_decimal<std::uint16_t>(authority.port);
}

std::string host_and_port(std::string_view host, std::string_view port) {
  const bool v6 = host.find(':') != std::string_view::npos;
  return std::string(v6 ? "[" : "").append(host).append(v6 ? "]:" : ":").append(port);
}

std::optional<Url> parse_url(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  Url url;
  url.origin = text.substr(0, text.find_first_of("/?#", scheme + 3));
  url.target = text.substr(url.origin.size());
  url.scheme = text.substr(0, scheme);
  const auto authority = parse_authority(url.origin.substr(scheme + 3));
  if (!authority || url.scheme.empty()) return std::nullopt;
  url.authority = *authority;
  return url;
}

std::optional<std::string> percent_decode(std::string_view text) { return decode(text, false); }

std::string percent_encode(std::string_view text) { return urls::encode(text, urls::unreserved_chars); }

// Boost's parse_query() and parse_path() refuse letters that RFC 3986 wants escaped, such as `|` or `ü`; clients send
// them as they are. So these two cut at the separators, and Boost decodes what is between.
std::optional<QueryItems> parse_query(std::string_view query) {
  QueryItems items;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    if (items.size() == kMaxQueryItems) return std::nullopt;
    const std::size_t equals = std::min(item.find('='), item.size());
    auto name = decode(item.substr(0, equals), true);
    auto value = decode(item.substr(std::min(equals + 1, item.size())), true);
    if (!name || !value) return std::nullopt;
    items.emplace_back(std::move(*name), std::move(*value));
  }
  return items;
}

// An escaped slash or a dot segment would make a path that says something else to whoever reads it before or behind us
// (a proxy's rules, a log); a NUL ends texts early.
std::optional<std::vector<std::string>> split_path(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  std::vector<std::string> segments;
  if (path.empty()) return segments;
  for (;;) {
    const std::size_t end = std::min(path.find('/'), path.size());
    auto segment = percent_decode(path.substr(0, end));
    if (!segment || segment->empty() || *segment == "." || *segment == "..") return std::nullopt;
    if (segment->find('/') != std::string::npos || segment->find('\0') != std::string::npos) return std::nullopt;
    segments.push_back(std::move(*segment));
    if (end == path.size()) return segments;
    path.remove_prefix(end + 1);
  }
}

}  // namespace ota
