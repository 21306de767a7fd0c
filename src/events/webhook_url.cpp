// Where webhooks may lead, as far as the text of their URL says.
#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

#include "events/address_rules.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/events/webhooks.hpp"

namespace ota::events {
namespace {

constexpr std::size_t kLongestUrl = 2'048;
constexpr std::uint16_t kFirstFreePort = 1'024;

bool is_public_literal(const Authority& authority) {
  const std::string host(authority.host);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (authority.kind == HostKind::ipv4) {
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return false;
    return is_public(reinterpret_cast<const sockaddr&>(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return false;
  return is_public(reinterpret_cast<const sockaddr&>(v6));
}

bool printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<std::string> refuse_webhook_url(const std::string& url, const WebhookRules& rules) {
  if (url.size() > kLongestUrl) return "must have at most 2048 characters";
  if (!printable_ascii(url) || url.find('\\') != std::string::npos)
    return "must have no blanks, control characters, backslashes or letters beyond ASCII";
  const auto parts = parse_url(url);
  if (!parts) return "must be a URL such as https://example.com/hook, without a user name";
  const bool https = iequals(parts->scheme, "https");
  if (!https && !iequals(parts->scheme, "http")) return "must begin with https://";
  if (!https && !rules.allow_http) return "must begin with https:// (the setting webhooks.allow_http permits http://)";
  if (parts->target.find('#') != std::string_view::npos) return "must have no fragment (#)";
  if (parts->authority.has_port) {
    const auto port = port_number(parts->authority);
    if (!port || (*port != 80 && *port != 443 && *port < kFirstFreePort))
      return "must have port 80, 443, or 1024 to 65535";
  }
  if (rules.allow_private) return std::nullopt;
  const bool literal = parts->authority.kind != HostKind::name;
  if ((literal && !is_public_literal(parts->authority)) || iequals(parts->authority.host, "localhost"))
    return "must not lead to a private address (the setting webhooks.allow_private permits it)";
  return std::nullopt;
}

}  // namespace ota::events
