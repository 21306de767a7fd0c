// How a session writes a body that is made while it is sent.
#include <fmt/format.h>

#include "http/session.hpp"
#include "ota/base/fault.hpp"
#include "ota/base/log.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {

/// Of a stream in the kernel, and not sent yet: what its reader leaves lying there is memory of this machine.
constexpr int kUnsentBytes = 128 * 1024;

/// RFC 9112, 7.1.
std::string as_chunk(std::string_view piece) {
  auto chunk = fmt::format("{:x}\r\n", piece.size());
  chunk.reserve(chunk.size() + piece.size() + 2);
  chunk += piece;
  chunk += "\r\n";
  return chunk;
}

}  // namespace

asio::awaitable<bool> Session::write_stream(const IncomingRequest& request, const Reply& reply) {
  const bool chunked = request.parser().http11();
  std::string head = worker_.take_text();
  HeaderWriter writer(head);
  start_head(writer, request, reply, reply.status, false);
  if (!reply.content_type.empty()) writer.field("Content-Type", reply.content_type);
  if (chunked) writer.field("Transfer-Encoding", "chunked");
  writer.end();
  bool written = co_await stream_->write(head, false);
  worker_.give_text(std::move(head));
  if (request.method() == Method::head) co_return written;

  tcp_info_.bound_unsent(kUnsentBytes);
  streaming_ = reply.stream.get();
  bool more = true;
  while (written && more) {
    auto making = next_piece(request, *reply.stream);
    std::optional<std::string> piece = co_await std::move(making);
    if (!piece) co_return false;  // the peer notices the early end
    more = !piece->empty();
    if (chunked) piece = as_chunk(*piece);
    if (!piece->empty()) written = co_await stream_->write(*piece, false);
  }
  streaming_ = nullptr;
  co_return written;
}

/// Nothing where the source failed, or the connection ended meanwhile.
asio::awaitable<std::optional<std::string>> Session::next_piece(const IncomingRequest& request, BodyStream& source) {
  awaits_piece_ = true;
  std::optional<std::string> piece;
  try {
    auto making = source.next();
    piece = co_await std::move(making);
  } catch (...) {
    if (!worker_.draining() && streaming_)
      log::error(fmt::format("http: the stream {} to {} failed with an internal error: {}", request.path(),
                             peer_.remote, describe_exception(std::current_exception())));
  }
  awaits_piece_ = false;
  co_return piece;
}

/// Wherever its coroutine waits: for the source, or for the peer.
void Session::end_stream(bool reset) {
  streaming_ = nullptr;
  follows_ = false;
  deadline_.suspend();
  stream_->cut(reset);
  cut_.emit(asio::cancellation_type::terminal);
}

}  // namespace ota::http
