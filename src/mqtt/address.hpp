// The broker's address, and a check whether it accepts connections.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace ota::mqtt {

struct Address {
  bool tls = false;
  std::string host;  ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;

  std::string str() const;  ///< `host:port`, an IPv6 address in brackets
};

/// `tcp://`, `mqtt://`, `ssl://` or `mqtts://`, a host, and a port (1883, or 8883 with TLS, where it is missing).
std::optional<Address> parse_address(const std::string& url);

/// Opens and closes a TCP connection, to find out why the MQTT library failed: nothing if the port accepts it, else the
/// cause and the remedy as text. Waits at most `patience`, plus the time of the resolver.
std::optional<std::string> why_unreachable(const Address& address, std::chrono::milliseconds patience);

/// Sets what Paho doesn't on this process's sockets that are connected to the port `port`. TCP_NODELAY: without it each
/// answer waits 40 ms for a delayed ACK. TCP_NOTSENT_LOWAT: without it the kernel buffers megabytes for a slow link,
/// and each message waits behind them. Returns the number of sockets.
int tune_sockets(std::uint16_t port);

}  // namespace ota::mqtt
