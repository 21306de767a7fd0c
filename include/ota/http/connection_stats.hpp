// TCP statistics of a connection.
#pragma once

#include <cstdint>
#include <optional>

namespace ota::http {

/// What the kernel saw of a connection (TCP_INFO) since it was last looked at.
struct ConnectionStats {
  double rtt_ms = 0;
  std::uint64_t segments = 0;  ///< with data, that were sent
  std::uint64_t resent = 0;
  std::uint64_t acked = 0;     ///< bytes that the peer has
  std::optional<double> rate;  ///< bytes/s, if the link and not the server was the bottleneck
};

}  // namespace ota::http
