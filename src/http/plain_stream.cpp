#include <sys/sendfile.h>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "http/stream.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

static_assert(sizeof(off_t) == 8, "images may be larger than 2 GiB: build with _FILE_OFFSET_BITS=64");

class PlainStream final : public Stream {
 public:
  explicit PlainStream(tcp::socket socket) : socket_(std::move(socket)) {
    boost::system::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  ~PlainStream() override {
    boost::system::error_code ignored;
    if (reset_) socket_.close(ignored);  // left to its destructor, asio would let the kernel go on sending
  }

  asio::awaitable<bool> handshake() override { co_return true; }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    return socket_.async_read_some(asio::buffer(into.data(), into.size()),
                                   asio::redirect_error(asio::use_awaitable, read_error_));
  }

  asio::awaitable<bool> write(std::string_view bytes, bool more) override {
    while (!bytes.empty()) {
      if (send(bytes, more)) continue;
      if (!would_block()) co_return false;
      const bool ready = co_await writable();
      if (!ready) co_return false;
    }
    co_return true;
  }

  asio::awaitable<std::size_t> write_file(std::string_view head, FileSlice slice) override {
    const std::size_t length = slice.length;
    while (!head.empty() || slice.length > 0) {
      if (head.empty() ? send(slice) : send(head, true)) continue;
      if (!would_block()) break;
      const bool ready = co_await writable();
      if (!ready) break;
    }
    co_return length - slice.length;
  }

  asio::awaitable<void> finish() override {
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    co_return;
  }

  void cut(bool reset) noexcept override {
    cut_socket(socket_, reset);
    reset_ |= reset;
  }

 private:
  /// Sends what the kernel takes from the front of `bytes`; false where it takes nothing.
  bool send(std::string_view& bytes, bool more) {
    const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    const ssize_t sent = ::send(socket_.native_handle(), bytes.data(), bytes.size(), flags);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
    return true;
  }

  /// The same of a file, without a copy.
  bool send(FileSlice& slice) {
    auto at = static_cast<off_t>(slice.offset);
    const ssize_t sent = ::sendfile(socket_.native_handle(), slice.descriptor, &at, slice.length);
    if (sent == 0) errno = EIO;  // the file became shorter
    if (sent <= 0) return false;
    slice.offset += static_cast<std::size_t>(sent);
    slice.length -= static_cast<std::size_t>(sent);
    return true;
  }

  static bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

  asio::awaitable<bool> writable() {
    boost::system::error_code ec;
    co_await socket_.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, ec));
    co_return !ec;
  }

  tcp::socket socket_;
  bool reset_ = false;
  boost::system::error_code read_error_;  // says no more than that nothing was read
};

}  // namespace

void cut_socket(tcp::socket& socket, bool reset) noexcept {
  boost::system::error_code ignored;
  if (reset) socket.set_option(asio::socket_base::linger(true, 0), ignored);
  // Also where no operation waits at the moment: the next one fails.
  socket.shutdown(tcp::socket::shutdown_both, ignored);
  socket.cancel(ignored);
}

std::unique_ptr<Stream> make_plain_stream(tcp::socket socket) {
  return std::make_unique<PlainStream>(std::move(socket));
}

}  // namespace ota::http
