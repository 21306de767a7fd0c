#include "app/addresses.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "ota/base/url.hpp"

namespace ota::app {
namespace {

/// Of `host:port`, as Authority has it; empty where it is none.
std::string_view host_of(std::string_view address) {
  const auto parts = parse_authority(address);
  return parts ? parts->host : std::string_view();
}

bool is_any(std::string_view host) { return host == "0.0.0.0" || host == "::"; }

bool is_loopback_host(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string_view host_in(std::string_view url) {
  const auto parts = parse_url(url);
  return parts ? parts->authority.host : std::string_view();
}

/// Nothing for a listener on all addresses: those are looked up.
void add_listener(http::HostNames::Options& names, const std::string& listen) {
  if (listen.empty()) return;
  const auto host = host_of(listen);
  if (is_any(host)) {
    names.changing = http::local_addresses;
  } else {
    names.own.emplace_back(host);
  }
}

const std::string& operators_listen(const HttpSettings& http) {
  return http.admin_listen.empty() ? http.listen : http.admin_listen;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

bool is_loopback(std::string_view address) { return is_loopback_host(host_of(address)); }

std::string listen_address(const std::string& setting) {
  const auto parts = parse_authority(setting);
  return parts && parts->host == "localhost" ? host_and_port("127.0.0.1", parts->port) : setting;
}

std::string public_url(const HttpSettings& settings, std::string_view bound) {
  if (!settings.public_url.empty()) return settings.public_url;
  const auto parts = parse_authority(bound).value_or(Authority{});
  auto name = is_any(parts.host) ? host_name() : std::string(parts.host);
  if (name.empty()) name = "127.0.0.1";
  return fmt::format("{}://{}", settings.tls_cert.empty() ? "http" : "https", host_and_port(name, parts.port));
}

std::optional<std::string> doubt_of_public_url(const HttpSettings& settings, std::string_view url) {
  const auto host = host_in(url);
  if (is_loopback(settings.listen)) return std::nullopt;
  if (is_loopback_host(host))
    return fmt::format(
        "devices are told to download from {}, which is reachable from this machine only: set http.public_url to an "
        "address that they can reach",
        url);
  if (!settings.public_url.empty() || host.find_first_of(".:") != std::string_view::npos) return std::nullopt;
  return fmt::format(
      "devices are told over MQTT to download from {}; they may be unable to resolve the name {}: set http.public_url "
      "to an address that they can reach",
      url, host);
}

std::string public_path(const HttpSettings& settings) {
  const auto url = parse_url(settings.public_url);
  return url ? std::string(url->target) : std::string();
}

std::shared_ptr<const http::HostNames> host_names(const HttpSettings& settings) {
  http::HostNames::Options names;
  const auto name = host_name();
  const auto first = name.substr(0, name.find('.'));
  names.own = {name, first};
  if (!first.empty()) names.own.push_back(first + ".local");  // the name in mDNS (RFC 6762)
  add_listener(names, settings.listen);
  add_listener(names, settings.admin_listen);
  names.configured = settings.hosts;
  if (!settings.public_url.empty()) names.configured.emplace_back(host_in(settings.public_url));
  return std::make_shared<http::HostNames>(std::move(names));
}

bool auth_required(const Settings& settings) {
  if (settings.security.api_auth != "auto") return settings.security.api_auth == "required";
  return !is_loopback(operators_listen(settings.http));
}

}  // namespace ota::app
