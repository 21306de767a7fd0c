#include "mqtt/address.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "ota/base/url.hpp"

namespace ota::mqtt {
namespace {

constexpr std::uint16_t kPort = 1883;
constexpr std::uint16_t kTlsPort = 8883;
// With much less, Paho would wait for its next check of the socket, up to a second, during most chunks.
constexpr int kMaxUnsentBytes = 1 << 20;

std::string describe_errno(const Address& address, int error) {
  auto where = address.str();
  if (error == ECONNREFUSED) {
    return fmt::format("connection to {} refused: no broker listens there; start it, or correct the broker's address",
                       where);
  }
  if (error == ETIMEDOUT) {
    return fmt::format("no answer from {}: check the broker's address, its machine, and firewalls between", where);
  }
  if (error == EHOSTUNREACH || error == ENETUNREACH) {
    return fmt::format("no route to {}: check this machine's network and the broker's address", where);
  }
  return fmt::format("connection to {} failed ({}): check the broker's address and this machine's network", where,
                     std::strerror(error));
}

// 0 where somebody listens, else errno.
int try_connect(const addrinfo& target, std::chrono::milliseconds patience) {
  int fd = socket(target.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  int error = 0;
  if (connect(fd, target.ai_addr, target.ai_addrlen) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      pollfd waiting{fd, POLLOUT, 0};
      socklen_t size = sizeof error;
      if (poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) {
        error = ETIMEDOUT;
      } else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
      }
    }
  }
  close(fd);
  return error;
}

bool connected_to_port(int fd, std::uint16_t port) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  if (peer.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port) == port;
  if (peer.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(peer).sin6_port) == port;
  return false;
}

}  // namespace

std::string Address::str() const { return host_and_port(host, std::to_string(port)); }

std::optional<Address> parse_address(const std::string& text) {
  const auto url = parse_url(text);
  if (!url || (!url->target.empty() && url->target != "/")) return std::nullopt;
  Address address;
  address.tls = url->scheme == "ssl" || url->scheme == "mqtts";
  if (!address.tls && url->scheme != "tcp" && url->scheme != "mqtt") return std::nullopt;
  const auto& authority = url->authority;
  address.host = authority.host;
  address.port = authority.has_port ? port_number(authority).value_or(0) : address.tls ? kTlsPort : kPort;
  return address.port > 0 ? std::optional(address) : std::nullopt;
}

std::optional<std::string> why_unreachable(const Address& address, std::chrono::milliseconds patience) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int rc = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (rc != 0) {
    return fmt::format("cannot resolve the broker's host name {}: {}; correct the broker's address or the name service",
                       address.host, gai_strerror(rc));
  }
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  int error = ETIMEDOUT;
  for (const addrinfo* target = found; target != nullptr; target = target->ai_next) {
    error = try_connect(*target, patience);
    if (error == 0) return std::nullopt;
  }
  return describe_errno(address, error);
}

int tune_sockets(std::uint16_t port) {
  std::unique_ptr<DIR, int (*)(DIR*)> descriptors(opendir("/proc/self/fd"), &closedir);
  if (!descriptors) return 0;
  int count = 0;
  while (const dirent* entry = readdir(descriptors.get())) {
    int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || !connected_to_port(fd, port)) continue;
    int on = 1;
    int unsent = kMaxUnsentBytes;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0) ++count;
  }
  return count;
}

}  // namespace ota::mqtt
