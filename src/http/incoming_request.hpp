// The current request of a session: its header, and its body as it is received.
#pragma once

#include "http/deadline.hpp"
#include "http/input.hpp"
#include "http/request_parser.hpp"
#include "http/stream.hpp"
#include "ota/http/message.hpp"

namespace ota::http {

/// The peer of a connection.
struct Peer {
  std::string remote;
  std::string client_name;
};

/// Lives on its session's coroutine for one request.
class IncomingRequest final : public Request {
 public:
  IncomingRequest(Stream& stream, Input& input, Deadline& deadline, const Peer& peer, std::size_t max_target_bytes)
      : stream_(stream), input_(input), deadline_(deadline), peer_(peer), parser_(max_target_bytes) {}

  enum class Head { open, whole, refused };
  /// Parses the received part of the header. Open: read more into the input's head_room(); refused: refusal() has the
  /// reply.
  Head parse_head();
  /// The status of an unacceptable request.
  unsigned refusal() const { return refusal_; }
  std::string_view refusal_detail() const { return refusal_detail_; }

  const RequestParser& parser() const { return parser_; }
  /// True if the next request's header can follow after drain().
  bool can_drain();
  bool body_ended() const { return body_ == Body::ended; }
  /// Reads and discards the rest of the body, up to a limit.
  boost::asio::awaitable<bool> drain();

  Method method() const noexcept override { return parser_.method(); }
  std::string_view path() const noexcept override { return path_; }
  std::string_view query() const noexcept override { return query_; }
  std::string_view authority() const noexcept override {
    return absolute_ ? authority_ : parser_.field(RequestParser::Known::host);
  }
  std::string_view header(std::string_view name) const noexcept override { return parser_.field(name); }
  const std::string& remote() const noexcept override { return peer_.remote; }
  const std::string& client_name() const noexcept override { return peer_.client_name; }
  std::optional<std::uint64_t> content_length() const noexcept override { return parser_.content_length(); }
  boost::asio::awaitable<Result<std::size_t>> read_some(std::span<char> into) override;
  boost::asio::awaitable<Result<std::string>> read_all(std::size_t limit) override;

 private:
  enum class Body { reading, ended, broken };

  Head refuse(unsigned status, std::string_view detail);
  Head look_at_head();
  bool split_target();
  boost::asio::awaitable<Result<std::size_t>> read_known(std::span<char> into);
  boost::asio::awaitable<Result<std::size_t>> read_chunked(std::span<char> into);
  Error broken(Errc code, std::string message);

  Stream& stream_;
  Input& input_;
  Deadline& deadline_;
  const Peer& peer_;
  std::string_view path_;
  std::string_view query_;
  std::string_view authority_;  // of an absolute target
  bool absolute_ = false;
  bool started_ = false;  // a part of the header is received
  unsigned refusal_ = 0;
  std::string_view refusal_detail_;
  Body body_ = Body::ended;
  bool wants_continue_ = false;
  std::uint64_t left_ = 0;  // of a body with a known length
  RequestParser parser_;
};

}  // namespace ota::http
