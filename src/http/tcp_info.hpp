// The kernel's side of a TCP connection: its statistics, its buffer.
#pragma once

#include <cstdint>
#include <optional>

#include "ota/http/connection_stats.hpp"

namespace ota::http {

/// Reads TCP_INFO of one socket, each time what is new since the last. Used by its session.
class TcpInfo {
 public:
  explicit TcpInfo(int socket) : socket_(socket) {}
  struct Reading {
    ConnectionStats stats;
    bool under_way = false;  ///< bytes that were handed over have not arrived yet
  };
  /// Nothing if the kernel has no values.
  std::optional<Reading> read();
  struct Flow {
    std::uint64_t bytes = 0;  ///< that the peer sent or acknowledged since this was asked last
    bool under_way = false;   ///< as in Reading
    bool left = false;        ///< the peer closed its side
  };
  /// The same without the metrics.
  std::optional<Flow> flow();
  /// From now on the kernel takes no more than this many bytes that it has not sent yet.
  void bound_unsent(int bytes);

 private:
  const int socket_;
  std::uint32_t segments_ = 0;
  std::uint32_t resent_ = 0;
  std::uint64_t acked_ = 0;
  std::uint64_t flown_ = 0;
};

}  // namespace ota::http
