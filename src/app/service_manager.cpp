#include "app/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "ota/base/text.hpp"

namespace ota::app {
namespace {

// The protocol is one datagram, and a stable interface; libsystemd would bring six libraries with a megabyte of memory.
void notify(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t size = name ? std::strlen(name) : 0;
  if (size < 2 || size >= sizeof address.sun_path || (name[0] != '/' && name[0] != '@')) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name, size);
  if (name[0] == '@') address.sun_path[0] = '\0';  // abstract: no file
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  const auto* const to = reinterpret_cast<const sockaddr*>(&address);
  (void)!::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL, to, length);
  ::close(socket);
}

std::optional<std::uint64_t> number(const char* variable) {
  const char* const text = std::getenv(variable);
  if (!text) return std::nullopt;
  return parse_decimal<std::uint64_t>(text);
}

}  // namespace

void notify_ready(const std::string& status) { notify(fmt::format("READY=1\nSTATUS={}", status)); }

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto micros = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", micros));
}

void notify_stopping() { notify("STOPPING=1\nSTATUS=stopping"); }
void notify_status(const std::string& status) { notify(fmt::format("STATUS={}", status)); }
void notify_alive() { notify("WATCHDOG=1"); }

std::optional<std::chrono::milliseconds> watchdog_time() {
  const auto micros = number("WATCHDOG_USEC");
  // If it names another process, systemd watches that one.
  const bool other = std::getenv("WATCHDOG_PID") && number("WATCHDOG_PID") != static_cast<std::uint64_t>(::getpid());
  if (!micros || *micros == 0 || other) return std::nullopt;
  return std::chrono::milliseconds(*micros / 1000);
}

}  // namespace ota::app
