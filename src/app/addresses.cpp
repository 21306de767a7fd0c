#include "app/addresses.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace ota::app {
namespace {

std::string_view host_of(std::string_view address) { return address.substr(0, address.rfind(':')); }

/// Empty where this machine has none.
std::string own_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

bool is_any(std::string_view host) { return host == "0.0.0.0" || host == "[::]"; }

/// `gw:8080/ota` of `http://gw:8080/ota`.
std::string_view behind_scheme(std::string_view url) { return url.substr(url.find("://") + 3); }

std::string_view host_in(std::string_view url) {
  const auto rest = behind_scheme(url);
  const auto parts = http::split_authority(rest.substr(0, rest.find('/')));
  return parts ? parts->host : std::string_view();
}

/// Of a listener on all addresses nothing: those are looked up.
void add_listener(http::HostNames::Options& names, const std::string& listen) {
  if (listen.empty()) return;
  if (is_any(host_of(listen))) {
    names.changing = http::local_addresses;
  } else if (const auto parts = http::split_authority(listen)) {
    names.own.emplace_back(parts->host);
  }
}

const std::string& operators_listen(const HttpSettings& http) {
  return http.admin_listen.empty() ? http.listen : http.admin_listen;
}

}  // namespace

bool is_loopback(std::string_view address) {
  const auto host = host_of(address);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

std::string listen_address(const std::string& setting) {
  return host_of(setting) == "localhost" ? "127.0.0.1" + setting.substr(host_of(setting).size()) : setting;
}

std::string public_url(const HttpSettings& settings, std::string_view bound) {
  if (!settings.public_url.empty()) return settings.public_url;
  const auto host = host_of(bound);
  auto name = is_any(host) ? own_name() : std::string(host);
  if (name.empty()) name = "127.0.0.1";
  return fmt::format("{}://{}{}", settings.tls_cert.empty() ? "http" : "https", name, bound.substr(host.size()));
}

std::optional<std::string> doubt_of_public_url(const HttpSettings& settings, std::string_view url) {
  const auto host = host_in(url);
  if (is_loopback(settings.listen)) return std::nullopt;
  if (host == "localhost" || host.starts_with("127.") || host == "::1")
    return fmt::format(
        "devices are told to download from {}, which is this machine alone: set http.public_url to what "
        "they reach it by",
        url);
  if (!settings.public_url.empty() || host.find_first_of(".:") != std::string_view::npos) return std::nullopt;
  return fmt::format(
      "devices are told over MQTT to download from {}; the name {} may mean nothing to them: set "
      "http.public_url to what they reach this machine by",
      url, host);
}

std::string public_path(const HttpSettings& settings) {
  if (settings.public_url.empty()) return {};
  const auto rest = behind_scheme(settings.public_url);
  return std::string(rest.substr(std::min(rest.find('/'), rest.size())));
}

std::shared_ptr<const http::HostNames> host_names(const HttpSettings& settings) {
  http::HostNames::Options names;
  const auto name = own_name();
  const auto first = name.substr(0, name.find('.'));
  names.own = {name, first};
  if (!first.empty()) names.own.push_back(first + ".local");  // as mDNS has it (RFC 6762)
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
