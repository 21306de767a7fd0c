// A real Mosquitto on a free loopback port, for tests. Debian's Mosquitto 2.0.11 takes no port 0, so a free one is
// found by binding and closing, and tried again where another program was faster.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>

#include "support/eventually.hpp"

namespace ota::test {

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A socket that listens on a free loopback port; the descriptor is the caller's to close.
struct Listening {
  int descriptor;
  std::uint16_t port;
};
inline Listening listen_on_loopback(int backlog) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, backlog) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("cannot listen");
  }
  return {fd, ntohs(address.sin_port)};
}

/// A port that was free a moment ago. None of those that the kernel hands out: any connection may get one of them while
/// a broker is away.
inline std::uint16_t free_port() {
  static std::mt19937 random(std::random_device{}());
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const auto port = std::uniform_int_distribution<std::uint16_t>(12'000, 19'999)(random);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(port);
    const bool ok = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    if (ok) return port;
  }
  throw std::runtime_error("no free port");
}

class Broker {
 public:
  /// `settings` are further lines of mosquitto.conf; `global` stand before the listener.
  explicit Broker(std::string settings = "allow_anonymous true\n", std::string global = "")
      : settings_(std::move(settings)), global_(std::move(global)) {
    static std::atomic<int> number = 0;
    dir_ = std::filesystem::temp_directory_path() /
           ("ota-broker-" + std::to_string(getpid()) + "-" + std::to_string(++number));
    std::filesystem::create_directories(dir_);
    for (int attempt = 0; attempt < 20; ++attempt) {
      port_ = free_port();
      if (start()) return;
    }
    throw std::runtime_error("mosquitto does not start: see " + (dir_ / "log").string());
  }
  ~Broker() {
    end(SIGKILL);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  std::uint16_t port() const { return port_; }
  std::string url() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  const std::filesystem::path& dir() const { return dir_; }

  void kill() { end(SIGKILL); }
  void terminate() { end(SIGTERM); }
  /// Holds it, its connections open, until resume().
  void pause() { ::kill(pid_, SIGSTOP); }
  void resume() { ::kill(pid_, SIGCONT); }
  /// On the same port.
  void restart() {
    end(SIGKILL);
    if (!eventually([&] { return start(); })) throw std::runtime_error("mosquitto does not start again");
  }

 private:
  bool start() {
    std::ofstream(dir_ / "conf") << "persistence false\nset_tcp_nodelay true\nmax_queued_messages 0\n"
                                 << "max_inflight_messages 1000\n"
                                 << global_ << "listener " << port_ << " 127.0.0.1\n"
                                 << settings_;
    auto conf = (dir_ / "conf").string();
    auto log = (dir_ / "log").string();
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // goes with a test that crashes
      if (freopen(log.c_str(), "a", stdout) == nullptr || freopen(log.c_str(), "a", stderr) == nullptr) _exit(126);
      execl("/usr/sbin/mosquitto", "mosquitto", "-c", conf.c_str(), nullptr);
      _exit(127);
    }
    return eventually([&] { return answers() || gone(); }, std::chrono::seconds(10)) && !gone();
  }

  bool answers() const {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = loopback(port_);
    bool ok = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return ok;
  }

  bool gone() {
    if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }

  void end(int signal) {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  const std::string settings_;
  const std::string global_;
  std::filesystem::path dir_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace ota::test
