#include "ddi/identity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::ddi {
namespace {

/// The first of a list that proxies append to.
std::string_view first_of(std::string_view list) { return trim(list.substr(0, list.find(','))); }

/// What follows that scheme word; nothing for another one.
std::optional<std::string_view> after_scheme(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size() || authorization[scheme.size()] != ' ') return std::nullopt;
  if (!iequals(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  return trim(authorization.substr(scheme.size()));
}

}  // namespace

bool from_trusted_proxy(const http::Request& request, const Options& options) {
  if (options.trusted_proxies.empty()) return false;
  const auto remote = parse_authority(request.remote());
  return remote && std::any_of(options.trusted_proxies.begin(), options.trusted_proxies.end(),
                               [&](const std::string& proxy) { return iequals(proxy, remote->host); });
}

std::string_view ignored_header(const http::Request& request, const Options& options) {
  std::string_view found;
  for (const auto* name : {"X-Controller-Id", "X-Forwarded-Host", "X-Forwarded-Proto"}) {
    const bool matters = name == std::string_view("X-Controller-Id") || options.public_url.empty();
    if (found.empty() && matters && !request.header(name).empty()) found = name;
  }
  return found.empty() || from_trusted_proxy(request, options) ? std::string_view() : found;
}

Result<Credentials> credentials(const http::Request& request, const DeviceId& device, const Options& options) {
  Credentials who;
  who.protocol = Protocol::ddi;
  who.client = fit_client(request.header("User-Agent"));
  who.certified = request.client_name() == device.str();
  if (from_trusted_proxy(request, options)) {
    const auto named = request.header("X-Controller-Id");
    if (!named.empty() && named != device.str())
      return fail(Errc::unauthenticated, fmt::format("the proxy's certificate is not that of device {}", device.str()));
    who.certified |= named == device.str();
  }
  const auto authorization = trim(request.header("Authorization"));
  if (authorization.empty()) return who;
  who.remote = request.remote();
  if (const auto token = after_scheme(authorization, "GatewayToken")) {
    who.token_digest = firmware::sha256(*token);
    who.gateway = options.gateway_token && firmware::equal_secrets(*options.gateway_token, *who.token_digest);
    if (who.gateway || who.certified) return who;
    return fail(Errc::unauthenticated, fmt::format("the gateway token that came for device {} is wrong", device.str()));
  }
  auto token = after_scheme(authorization, "TargetToken");
  if (!token) token = after_scheme(authorization, "Bearer");
  if (!token || token->empty())
    return fail(Errc::unauthenticated,
                fmt::format("the Authorization header of device {} must be TargetToken or GatewayToken", device.str()));
  who.token_digest = firmware::sha256(*token);
  who.token_fit = fit_secret(*token);
  return who;
}

std::string base_url(const http::Request& request, const Options& options) {
  if (!options.public_url.empty()) return options.public_url;
  std::string_view scheme = options.tls ? "https" : "http";
  auto authority = request.authority();
  if (from_trusted_proxy(request, options)) {
    const auto proto = first_of(request.header("X-Forwarded-Proto"));
    const auto host = first_of(request.header("X-Forwarded-Host"));
    if (proto == "http" || proto == "https") scheme = proto;
    if (parse_authority(host)) authority = host;
  }
  return fmt::format("{}://{}", scheme, authority.empty() ? "localhost" : authority);
}

}  // namespace ota::ddi
