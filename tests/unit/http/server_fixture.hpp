// A server on a free loopback port, files to send, and a client that speaks raw bytes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ota/http/server.hpp"
#include "support/eventually.hpp"

namespace ota::http::test {

using namespace std::chrono_literals;
using ota::test::eventually;
constexpr auto kPatience = 20s;

inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

/// A file in memory, whose checks the test decides about.
class TestFile final : public FileSource {
 public:
  explicit TestFile(const std::string& content, bool all_checked = true) : all_checked_(all_checked) {
    descriptor_ = ::memfd_create("otad-test", MFD_CLOEXEC);
    std::size_t at = 0;
    while (at < content.size())
      at += static_cast<std::size_t>(::write(descriptor_, content.data() + at, content.size() - at));
  }
  ~TestFile() override {
    if (checker_.joinable()) checker_.join();
    ::close(descriptor_);
  }
  int descriptor() const noexcept override { return descriptor_; }
  bool checked(std::uint64_t, std::uint64_t) const noexcept override { return all_checked_; }
  Bandwidth bandwidth() override { return {7, false}; }
  void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) override {
    ++checks;
    if (hold) {
      held = std::move(done);
      is_held = true;
      return;
    }
    if (checker_.joinable()) checker_.join();
    const bool good = offset + length <= rotten_from;
    checker_ = std::thread([good, code = rotten_code, done = std::move(done)] {
      if (good) {
        done({});
      } else {
        done(fail(code, "rotten"));
      }
    });
  }
  void truncate(std::uint64_t size) { ASSERT_EQ(::ftruncate(descriptor_, static_cast<off_t>(size)), 0); }

  std::atomic<int> checks{0};
  std::uint64_t rotten_from = ~0ull;
  Errc rotten_code = Errc::image_damaged;
  bool hold = false;
  std::function<void(Result<void>)> held;
  std::atomic<bool> is_held{false};

 private:
  const bool all_checked_;
  int descriptor_ = -1;
  std::thread checker_;
};

class RawClient {
 public:
  explicit RawClient(const std::string& address, int receive_buffer = 0) {
    const std::size_t colon = address.rfind(':');
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    connected_ = ::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  /// False where the server doesn't take it any more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  struct Answer {
    int status = 0;
    std::string head;
    std::string body;
    /// Empty without it.
    std::string field(const std::string& name) const {
      const std::size_t at = head.find("\r\n" + name + ": ");
      if (at == std::string::npos) return {};
      const std::size_t from = at + name.size() + 4;
      return head.substr(from, head.find("\r\n", from) - from);
    }
  };

  /// One reply; status 0 where the connection ended first.
  Answer receive(bool head_only = false) {
    Answer answer;
    std::size_t end;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) return answer;
    }
    answer.head = buffer_.substr(0, end + 2);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    const std::string length = answer.field("Content-Length");
    const std::size_t size = head_only || length.empty() ? 0 : std::stoull(length);
    while (buffer_.size() < size && more()) {
    }
    answer.body = buffer_.substr(0, size);
    buffer_.erase(0, answer.body.size());
    return answer;
  }

  Answer ask(std::string_view request, bool head_only = false) {
    send(request);
    return receive(head_only);
  }

  /// Reads at most so many bytes and drops them; false where the connection ended.
  bool take(std::size_t bytes) {
    std::string bin(bytes, '\0');
    return ::recv(socket_, bin.data(), bin.size(), 0) > 0;
  }

  /// Everything up to the connection's end; a failed expectation where it doesn't end.
  std::string rest() {
    while (more()) {
    }
    EXPECT_TRUE(ended_) << "the connection was not closed";
    return std::move(buffer_);
  }
  bool ended() {
    const std::string left = rest();
    return left.empty();
  }
  const std::string& buffered() const { return buffer_; }

 private:
  bool more() {
    pollfd wait{socket_, POLLIN, 0};
    if (::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) <= 0) return false;
    char bytes[65536];
    const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    buffer_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int socket_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

/// A server with one listener; stops when it goes.
class TestServer {
 public:
  explicit TestServer(Handler handler, ServerOptions options = defaults(), std::optional<TlsOptions> tls = {})
      : server(Server::create(options)) {
    const auto got = server->listen("127.0.0.1:0", std::move(handler), std::move(tls));
    if (!got) throw std::runtime_error(got.error().message);
    address = *got;
    server->start();
  }
  ~TestServer() { server->stop(0ms); }

  static ServerOptions defaults() {
    ServerOptions options;
    options.threads = 2;
    return options;
  }

  std::unique_ptr<Server> server;
  std::string address;
};

}  // namespace ota::http::test
