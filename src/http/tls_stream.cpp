#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "http/stream.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

static_assert(sizeof(off_t) == 8, "images may be larger than 2 GiB: build with _FILE_OFFSET_BITS=64");

/// File bytes are read in pieces of this size and written at once.
constexpr std::size_t kPiece = 128 * 1024;
/// That many of them each thread keeps for the next replies: so large a block goes back to the kernel as soon as it is
/// freed, and comes anew with its pages to be cleared.
constexpr std::size_t kSparePieces = 32;

using Piece = std::unique_ptr<char[]>;

std::vector<Piece>& spare_pieces() {
  static thread_local std::vector<Piece> spare;
  return spare;
}

Piece take_piece() {
  auto& spare = spare_pieces();
  if (spare.empty()) return std::make_unique_for_overwrite<char[]>(kPiece);
  Piece piece = std::move(spare.back());
  spare.pop_back();
  return piece;
}

void give_piece(Piece piece) {
  if (piece && spare_pieces().size() < kSparePieces) spare_pieces().push_back(std::move(piece));
}

/// The only common name of the subject; empty where there is none, several, or one with a NUL inside.
std::string common_name(X509* certificate) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return {};
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string name(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return name.find('\0') == std::string::npos ? name : std::string();
}

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// OpenSSL on the socket itself: asio's stream puts two buffers, 70 KB and two copies of each record in between.
class TlsStream final : public Stream {
 public:
  TlsStream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context)
      : context_(std::move(context)), socket_(std::move(socket)), ssl_(SSL_new(context_->native_handle())) {
    boost::system::error_code ignored;
    socket_.native_non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.native_handle()) != 1) throw std::bad_alloc();
    SSL_set_accept_state(ssl_.get());
    SSL_set_read_ahead(ssl_.get(), 1);
    SSL_set_mode(ssl_.get(),
                 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  }

  ~TlsStream() override {
    boost::system::error_code ignored;
    if (reset_) socket_.close(ignored);  // left to its destructor, asio would let the kernel go on sending
  }

  asio::awaitable<bool> handshake() override {
    for (;;) {
      ERR_clear_error();
      const int done = SSL_do_handshake(ssl_.get());
      if (done == 1) co_return true;
      const bool again = co_await ready(SSL_get_error(ssl_.get(), done));
      if (!again) co_return false;
    }
  }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    // Mostly nothing is there yet: to look first would be one system call more.
    bool again = SSL_has_pending(ssl_.get()) == 1;
    if (!again) again = co_await ready(SSL_ERROR_WANT_READ);
    while (again) {
      ERR_clear_error();
      std::size_t got = 0;
      if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &got) == 1) co_return got;
      again = co_await ready(SSL_get_error(ssl_.get(), 0));
    }
    co_return 0;
  }

  asio::awaitable<bool> write(std::string_view bytes, bool more) override {
    if (more) {
      held_ += bytes;
      co_return true;
    }
    if (!held_.empty()) {
      held_ += bytes;
      bytes = held_;
    }
    const std::size_t sent = co_await write_all(bytes.data(), bytes.size());
    const bool whole = sent == bytes.size();
    held_.clear();
    co_return whole;
  }

  asio::awaitable<std::size_t> write_file(std::string_view head, FileSlice slice) override {
    if (!piece_) piece_ = take_piece();
    held_ += head;
    std::size_t done = 0;
    while (done < slice.length) {
      const std::size_t front = std::min(held_.size(), kPiece / 2);
      std::memcpy(piece_.get(), held_.data(), front);
      held_.erase(0, front);
      const std::size_t wanted = std::min(slice.length - done, kPiece - front);
      const ssize_t got =
          ::pread(slice.descriptor, piece_.get() + front, wanted, static_cast<off_t>(slice.offset + done));
      if (got != static_cast<ssize_t>(wanted)) break;
      const std::size_t sent = co_await write_all(piece_.get(), front + wanted);
      if (sent != front + wanted) break;
      done += wanted;
    }
    if (!slice.more) give_piece(std::move(piece_));
    co_return done;
  }

  asio::awaitable<void> finish() override {
    for (bool again = true; again;) {
      ERR_clear_error();
      const int closed = SSL_shutdown(ssl_.get());
      again = closed < 0;
      if (again) again = co_await ready(SSL_get_error(ssl_.get(), closed));
    }
    boost::system::error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void cut(bool reset) noexcept override {
    cut_socket(socket_, reset);
    reset_ |= reset;
  }

  std::string client_name() const override {
    if (SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
    X509* certificate = SSL_get0_peer_certificate(ssl_.get());
    return certificate ? common_name(certificate) : std::string();
  }

 private:
  asio::awaitable<std::size_t> write_all(const char* data, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
      ERR_clear_error();
      std::size_t sent = 0;
      if (SSL_write_ex(ssl_.get(), data + done, size - done, &sent) == 1) {
        done += sent;
        continue;
      }
      const bool again = co_await ready(SSL_get_error(ssl_.get(), 0));
      if (!again) break;
    }
    co_return done;
  }

  /// Waits for what OpenSSL wants; false where that is nothing that could come.
  asio::awaitable<bool> ready(int wanted) {
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return false;
    const auto side = wanted == SSL_ERROR_WANT_READ ? tcp::socket::wait_read : tcp::socket::wait_write;
    boost::system::error_code ec;
    co_await socket_.async_wait(side, asio::redirect_error(asio::use_awaitable, ec));
    co_return !ec;
  }

  const std::shared_ptr<asio::ssl::context> context_;
  tcp::socket socket_;
  bool reset_ = false;
  const std::unique_ptr<SSL, FreeSsl> ssl_;
  std::string held_;
  Piece piece_;
};

}  // namespace

std::unique_ptr<Stream> make_tls_stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context));
}

}  // namespace ota::http
