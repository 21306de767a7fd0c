#include "app/addresses.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

namespace ota::app {
namespace {

std::string_view host_of(std::string_view address) { return address.substr(0, address.rfind(':')); }

std::string own_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') return "127.0.0.1";
  return name.data();
}

const std::string& operators_listen(const HttpSettings& http) {
  return http.admin_listen.empty() ? http.listen : http.admin_listen;
}

}  // namespace

bool is_loopback(std::string_view address) {
  const auto host = host_of(address);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

std::string public_url(const HttpSettings& settings, std::string_view bound) {
  if (!settings.public_url.empty()) return settings.public_url;
  const auto host = host_of(bound);
  const bool any = host == "0.0.0.0" || host == "[::]";
  return fmt::format("{}://{}{}", settings.tls_cert.empty() ? "http" : "https", any ? own_name() : std::string(host),
                     bound.substr(host.size()));
}

bool auth_required(const Settings& settings) {
  if (settings.security.api_auth != "auto") return settings.security.api_auth == "required";
  return !is_loopback(operators_listen(settings.http));
}

}  // namespace ota::app
