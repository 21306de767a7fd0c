#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "http/scratch.hpp"
#include "http/stream.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Up to here a copy and one system call are cheaper than two without a copy (measured on loopback).
constexpr std::size_t kCopyLimit = kScratch;

class PlainStream final : public Stream {
 public:
  PlainStream(tcp::socket socket, Deadline& deadline) : Stream(deadline), socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  asio::awaitable<bool> handshake() override { co_return true; }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    boost::system::error_code ec;
    const std::size_t got = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()),
                                                             asio::redirect_error(asio::use_awaitable, ec));
    co_return ec ? 0 : got;
  }

  asio::awaitable<bool> write(std::string_view bytes, bool more) override {
    const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), flags);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
        deadline_.moved(static_cast<std::size_t>(sent));
      } else if (!would_block()) {
        co_return false;
      } else {
        const bool ready = co_await writable();
        if (!ready) co_return false;
      }
    }
    co_return true;
  }

  asio::awaitable<std::size_t> write_file(std::string_view head, FileSlice slice) override {
    std::size_t done = 0;
    if (slice.length <= kCopyLimit) done = write_copied(head, slice);
    if (!head.empty()) {
      const bool written = co_await write(head, true);
      if (!written) co_return done;
    }
    while (done < slice.length) {
      auto at = static_cast<off_t>(slice.offset + done);
      const ssize_t sent = ::sendfile(socket_.native_handle(), slice.descriptor, &at, slice.length - done);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
        deadline_.moved(static_cast<std::size_t>(sent));
      } else if (sent == 0 || !would_block()) {
        co_return done;  // 0: the file became shorter
      } else {
        const bool ready = co_await writable();
        if (!ready) co_return done;
      }
    }
    co_return done;
  }

  asio::awaitable<void> finish() override {
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    co_return;
  }

  void cut(bool reset) noexcept override {
    boost::system::error_code ignored;
    if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    // Also where no operation waits at the moment: the next one fails.
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.cancel(ignored);
  }

 private:
  static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

  /// Head and a small slice in one system call; what didn't fit is left in `head`, or to be sent from the file.
  std::size_t write_copied(std::string_view& head, const FileSlice& slice) {
    char* const copy = scratch().data();
    const ssize_t got = ::pread(slice.descriptor, copy, slice.length, static_cast<off_t>(slice.offset));
    if (got != static_cast<ssize_t>(slice.length)) return 0;
    iovec parts[2] = {{const_cast<char*>(head.data()), head.size()}, {copy, slice.length}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | (slice.more ? MSG_MORE : 0));
    if (sent <= 0) return 0;
    const auto bytes = static_cast<std::size_t>(sent);
    deadline_.moved(bytes);
    const std::size_t of_head = std::min(bytes, head.size());
    head.remove_prefix(of_head);
    return bytes - of_head;
  }

  asio::awaitable<bool> writable() {
    boost::system::error_code ec;
    co_await socket_.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, ec));
    co_return !ec;
  }

  tcp::socket socket_;
};

}  // namespace

std::unique_ptr<Stream> make_plain_stream(tcp::socket socket, Deadline& deadline) {
  return std::make_unique<PlainStream>(std::move(socket), deadline);
}

}  // namespace ota::http
