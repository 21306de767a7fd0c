// Which addresses a webhook may be connected to.
#pragma once

#include <sys/socket.h>

#include <string>

namespace ota::events {

/// Whether others on the internet can reach it: false for loopback, link-local, private, shared, documentation,
/// multicast and reserved addresses (RFC 6890), and for what translates to such (NAT64, 6to4, Teredo, IPv4 in IPv6).
bool is_public(const sockaddr& address);

/// As text, without the port.
std::string address_text(const sockaddr& address);

}  // namespace ota::events
