#include "http/tcp_info.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

namespace ota::http {

namespace {

bool ask_kernel(int socket, tcp_info& info) {
  socklen_t size = sizeof info;
  return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0;
}

constexpr unsigned kClosed = 7;     // TCP_CLOSE and TCP_CLOSE_WAIT of netinet/tcp.h, which can't be included here
constexpr unsigned kPeerClosed = 8;

bool under_way(const tcp_info& info) { return info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0; }

}  // namespace

std::optional<TcpInfo::Reading> TcpInfo::read() {
  tcp_info info{};
  if (!ask_kernel(socket_, info)) return {};
  Reading reading;
  auto& stats = reading.stats;
  stats.rtt_ms = info.tcpi_rtt / 1000.0;
  // 32-bit counters of the kernel may go round; their differences don't.
  stats.segments = info.tcpi_data_segs_out - std::exchange(segments_, info.tcpi_data_segs_out);
  stats.resent = info.tcpi_total_retrans - std::exchange(resent_, info.tcpi_total_retrans);
  stats.acked = info.tcpi_bytes_acked - std::exchange(acked_, info.tcpi_bytes_acked);
  if (info.tcpi_delivery_rate > 0 && !info.tcpi_delivery_rate_app_limited)
    stats.rate = static_cast<double>(info.tcpi_delivery_rate);
  reading.under_way = under_way(info);
  return reading;
}

std::optional<TcpInfo::Flow> TcpInfo::flow() {
  tcp_info info{};
  if (!ask_kernel(socket_, info)) return {};
  const std::uint64_t flown = info.tcpi_bytes_acked + info.tcpi_bytes_received;
  const bool left = info.tcpi_state == kClosed || info.tcpi_state == kPeerClosed;
  return Flow{flown - std::exchange(flown_, flown), under_way(info), left};
}

void TcpInfo::bound_unsent(int bytes) {
  static_cast<void>(::setsockopt(socket_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes));
}

}  // namespace ota::http
