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
  bool more = false;  ///< something follows at once: TLS keeps its room for it
};

/// Used by its session's coroutine, one operation at a time; nothing here throws but bad_alloc and cancellation.
class Stream {
 public:
  virtual ~Stream() = default;

  virtual boost::asio::awaitable<bool> handshake() = 0;
  /// 0: the peer ended, or the connection is broken.
  virtual boost::asio::awaitable<std::size_t> read_some(std::span<char> into) = 0;
  /// All of `bytes`; `more`: something follows at once, so a packet needn't leave yet. False: broken.
  virtual boost::asio::awaitable<bool> write(std::string_view bytes, bool more) = 0;
  /// All of `head`, then the slice. Answers how much of the slice was handed over; less than all: broken.
  virtual boost::asio::awaitable<std::size_t> write_file(std::string_view head, FileSlice slice) = 0;
  /// Says to the peer that nothing more comes.
  virtual boost::asio::awaitable<void> finish() = 0;
  /// Ends whatever is waiting; the connection is of no use any more. `reset`: throw away what the peer didn't take.
  virtual void cut(bool reset) noexcept = 0;
  /// The common name of the client's verified certificate.
  virtual std::string client_name() const { return {}; }
};

std::unique_ptr<Stream> make_plain_stream(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Stream> make_tls_stream(boost::asio::ip::tcp::socket socket,
                                        std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace ota::http
