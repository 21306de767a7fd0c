// A connection's bytes, plain or through TLS.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace boost::asio::ssl {
class context;
}

namespace ota::http {

struct FileSlice {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::size_t length = 0;
  bool more = false;  ///< more data follows at once: TLS keeps its buffer
};

/// Used by its session's coroutine, one operation at a time; nothing here throws but bad_alloc and cancellation.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual boost::asio::awaitable<bool> handshake() = 0;
  /// 0: the peer closed the connection, or it is lost.
  virtual boost::asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
  /// All of `bytes`; `more`: more data follows at once, so no packet needs to be sent yet. False: the connection is
  /// lost.
  virtual boost::asio::awaitable<bool> write(std::string_view bytes, bool more) = 0;
  /// All of `head`, then the slice. Returns the number of sent bytes of the slice; less than all: the connection is
  /// lost.
  virtual boost::asio::awaitable<std::size_t> write_file(std::string_view head, FileSlice slice) = 0;
  /// Ends the sending direction.
  virtual boost::asio::awaitable<void> finish() = 0;
  /// Aborts all operations; the connection can't be used afterwards. `reset`: discard unsent bytes.
  virtual void cut(bool reset) noexcept = 0;
  /// The common name of the client's verified certificate.
  virtual std::string client_name() const { return {}; }
};

/// What cut() does to the socket of a stream.
void cut_socket(boost::asio::ip::tcp::socket& socket, bool reset) noexcept;

std::unique_ptr<Stream> make_plain_stream(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Stream> make_tls_stream(boost::asio::ip::tcp::socket socket,
                                        std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace ota::http
