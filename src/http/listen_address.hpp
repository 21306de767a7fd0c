// `host:port` from the settings.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "ota/base/result.hpp"

namespace ota::http {

/// `127.0.0.1:8080`, `[::1]:8080`; names are not looked up.
Result<boost::asio::ip::tcp::endpoint> parse_address(const std::string& address);

/// As parse_address() reads it; IPv4 within IPv6 as IPv4.
std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);

/// A bound and listening socket. The error names the address, the cause and the remedy.
Result<boost::asio::ip::tcp::acceptor> open_listener(boost::asio::io_context& io, const std::string& address);

}  // namespace ota::http
