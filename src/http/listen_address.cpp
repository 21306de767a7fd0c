#include "http/listen_address.hpp"

#include <fmt/format.h>

#include "ota/base/url.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kBacklog = 4096;

std::string remedy(const boost::system::error_code& ec) {
  if (ec == asio::error::address_in_use) return "another program uses this port; stop it or choose another port";
  if (ec == asio::error::access_denied) {
    return "ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher port";
  }
  if (ec.value() == EADDRNOTAVAIL) return "this machine has no such address; choose one of its own, or 0.0.0.0";
  return "check the address in the settings";
}

}  // namespace

Result<tcp::endpoint> parse_address(const std::string& address) {
  const auto parts = parse_authority(address);
  const auto port = parts ? port_number(*parts) : std::nullopt;
  boost::system::error_code ec;
  if (port && parts->kind != HostKind::name) {
    const auto ip = asio::ip::make_address(parts->host, ec);
    if (!ec) return tcp::endpoint(ip, *port);
  }
  return fail(Errc::malformed,
              fmt::format("'{}' is not an address to listen on; write it like 0.0.0.0:8080 or [::1]:8080", address));
}

std::string to_text(const tcp::endpoint& endpoint) {
  auto ip = endpoint.address();
  if (ip.is_v6() && ip.to_v6().is_v4_mapped()) ip = asio::ip::make_address_v4(asio::ip::v4_mapped, ip.to_v6());
  return host_and_port(ip.to_string(), std::to_string(endpoint.port()));
}

Result<tcp::acceptor> open_listener(asio::io_context& io, const std::string& address) {
  const auto endpoint = parse_address(address);
  if (!endpoint) return endpoint.error();
  tcp::acceptor acceptor(io);
  boost::system::error_code ec;
  acceptor.open(endpoint->protocol(), ec);
  if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  if (!ec) acceptor.bind(*endpoint, ec);
  if (!ec) acceptor.listen(kBacklog, ec);
  if (ec) {
    return fail(Errc::server_fault, fmt::format("can't listen on {}: {}; {}", address, ec.message(), remedy(ec)));
  }
  return acceptor;
}

}  // namespace ota::http
