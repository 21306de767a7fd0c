#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <utility>
#include <vector>

#include "http/stream.hpp"

namespace ota::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

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

class TlsStream final : public Stream {
 public:
  TlsStream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context, Deadline& deadline)
      : Stream(deadline), context_(std::move(context)), stream_(std::move(socket), *context_) {
    boost::system::error_code ignored;
    stream_.next_layer().set_option(tcp::no_delay(true), ignored);
  }

  asio::awaitable<bool> handshake() override {
    boost::system::error_code ec;
    co_await stream_.async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, ec));
    co_return !ec;
  }

  asio::awaitable<std::size_t> read_some(std::span<char> into) override {
    boost::system::error_code ec;
    const std::size_t got = co_await stream_.async_read_some(asio::buffer(into.data(), into.size()),
                                                             asio::redirect_error(asio::use_awaitable, ec));
    co_return ec ? 0 : got;
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
    boost::system::error_code ec;
    co_await stream_.async_shutdown(asio::redirect_error(asio::use_awaitable, ec));
    stream_.next_layer().shutdown(tcp::socket::shutdown_send, ec);
  }

  void cut(bool reset) noexcept override {
    boost::system::error_code ignored;
    if (reset) stream_.next_layer().set_option(asio::socket_base::linger(true, 0), ignored);
    stream_.next_layer().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.next_layer().cancel(ignored);
  }

  std::string client_name() const override {
    SSL* ssl = const_cast<asio::ssl::stream<tcp::socket>&>(stream_).native_handle();
    if (SSL_get_verify_result(ssl) != X509_V_OK) return {};
    X509* certificate = SSL_get0_peer_certificate(ssl);
    return certificate ? common_name(certificate) : std::string();
  }

 private:
  asio::awaitable<std::size_t> write_all(const char* data, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
      boost::system::error_code ec;
      const std::size_t sent = co_await stream_.async_write_some(asio::buffer(data + done, size - done),
                                                                 asio::redirect_error(asio::use_awaitable, ec));
      done += sent;
      if (ec) break;
      deadline_.moved(sent);
    }
    co_return done;
  }

  const std::shared_ptr<asio::ssl::context> context_;
  asio::ssl::stream<tcp::socket> stream_;
  std::string held_;
  Piece piece_;
};

}  // namespace

std::unique_ptr<Stream> make_tls_stream(tcp::socket socket, std::shared_ptr<asio::ssl::context> context,
                                        Deadline& deadline) {
  return std::make_unique<TlsStream>(std::move(socket), std::move(context), deadline);
}

}  // namespace ota::http
