#include "http/incoming_request.hpp"

#include <algorithm>
#include <cstring>

#include "http/scratch.hpp"
#include "ota/base/text.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {

/// A body that nobody read is read up to here to keep the connection.
constexpr std::size_t kDrainLimit = 64 * 1024;

}  // namespace

IncomingRequest::Head IncomingRequest::parse_head() {
  // RFC 9112, 2.2: empty lines before the request line are to be passed over.
  while (!started_ && input_.unread().starts_with("\r\n")) input_.consume(2);
  const std::string_view head = input_.unread();
  started_ |= !head.empty() && head != "\r";
  const auto progress = started_ ? parser_.parse_head(head) : RequestParser::Progress::need_more;
  switch (progress) {
    case RequestParser::Progress::bad:
      return refuse(parser_.status(), parser_.problem());
    case RequestParser::Progress::need_more:
      return input_.head_room().empty() ? refuse(431, "the request's head is too large") : Head::open;
    case RequestParser::Progress::done:
      break;
  }
  input_.pin_head(parser_.head_size());
  return look_at_head();
}

IncomingRequest::Head IncomingRequest::look_at_head() {
  if (!split_target()) return refuse(400, "the request's target must be a path");
  left_ = parser_.content_length().value_or(0);
  if (parser_.chunked() || left_ > 0) body_ = Body::reading;
  if (const auto expect = parser_.field(RequestParser::Known::expect); !expect.empty() && parser_.http11()) {
    if (!iequals(expect, "100-continue")) {
      return refuse(417, "the only expectation that can be met is 100-continue");
    }
    wants_continue_ = body_ == Body::reading;
  }
  return Head::whole;
}

IncomingRequest::Head IncomingRequest::refuse(unsigned status, std::string_view detail) {
  refusal_ = status;
  refusal_detail_ = detail;
  return Head::refused;
}

bool IncomingRequest::split_target() {
  std::string_view target = parser_.target();
  // absolute-form (RFC 9112, 3.2.2): its authority counts, whatever the Host header says.
  if (!target.starts_with('/')) {
    const std::size_t scheme = target.find("://");
    absolute_ = scheme != std::string_view::npos &&
                (iequals(target.substr(0, scheme), "http") || iequals(target.substr(0, scheme), "https"));
    if (absolute_) {
      target.remove_prefix(scheme + 3);
      const std::size_t path = target.find_first_of("/?");
      authority_ = target.substr(0, path);
      target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
    } else if (target != "*" && parser_.method() != Method::other) {
      return false;
    }
  }
  const std::size_t mark = target.find('?');
  path_ = target.substr(0, mark);
  if (path_.empty()) path_ = "/";
  if (mark != std::string_view::npos) query_ = target.substr(mark + 1);
  return true;
}

asio::awaitable<Result<std::size_t>> IncomingRequest::read_some(std::span<char> into) {
  if (body_ == Body::broken) co_return broken(Errc::cancelled, "the request's body ended early");
  if (body_ == Body::ended || into.empty()) co_return std::size_t{0};
  deadline_.resume();
  if (wants_continue_) {
    wants_continue_ = false;
    const bool written = co_await stream_.write("HTTP/1.1 100 Continue\r\n\r\n", false);
    if (!written) co_return broken(Errc::cancelled, "the sender went away before it sent its body");
  }
  if (parser_.chunked()) {
    auto chunked = read_chunked(into);
    co_return co_await std::move(chunked);
  }
  auto known = read_known(into);
  co_return co_await std::move(known);
}

asio::awaitable<Result<std::size_t>> IncomingRequest::read_known(std::span<char> into) {
  into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_)));
  const std::string_view ready = input_.unread().substr(0, into.size());
  std::size_t got = ready.size();
  if (got > 0) {
    std::memcpy(into.data(), ready.data(), got);
    input_.consume(got);
  } else {
    got = co_await stream_.read_some(into);
    if (got == 0) co_return broken(Errc::cancelled, "the sender went away or was too slow with its body");
  }
  left_ -= got;
  if (left_ == 0) body_ = Body::ended;
  deadline_.suspend();
  co_return got;
}

asio::awaitable<Result<std::size_t>> IncomingRequest::read_chunked(std::span<char> into) {
  for (;;) {
    const auto step = parser_.decode(input_.unread(), into);
    input_.consume(step.consumed);
    if (step.progress == RequestParser::Progress::bad) {
      co_return broken(Errc::bad_message, "the body's chunked coding is broken");
    }
    if (step.progress == RequestParser::Progress::done) body_ = Body::ended;
    if (step.produced > 0 || body_ == Body::ended) {
      deadline_.suspend();
      co_return step.produced;
    }
    const std::span<char> room = input_.body_room();
    if (room.empty()) co_return broken(Errc::bad_message, "a chunk's header or the trailer is too large");
    const std::size_t got = co_await stream_.read_some(room);
    if (got == 0) co_return broken(Errc::cancelled, "the sender went away or was too slow with its body");
    input_.received(got);
  }
}

asio::awaitable<Result<std::string>> IncomingRequest::read_all(std::size_t limit) {
  limit = std::min(limit, std::string().max_size() - 1);
  const auto length = parser_.content_length();
  const auto too_large = [limit] {
    return fail(Errc::too_large, "the body is larger than " + std::to_string(limit) + " bytes");
  };
  if (length && *length > limit) co_return too_large();
  std::string body;
  for (;;) {
    constexpr std::size_t kStep = 4096;
    const std::size_t had = body.size();
    // One byte beyond the limit, to see that there is more.
    body.resize(had + std::min(limit + 1 - had, length ? static_cast<std::size_t>(*length) + 1 : kStep));
    const std::span<char> room(body.data() + had, body.size() - had);
    auto reading = read_some(room);
    Result<std::size_t> got = co_await std::move(reading);
    if (!got) co_return got.error();
    body.resize(had + *got);
    if (*got == 0) co_return body;
    if (body.size() > limit) co_return too_large();
  }
}

bool IncomingRequest::can_drain() {
  if (body_ == Body::ended) return true;
  // The sender may be waiting for 100, and then sends no body at all.
  if (body_ == Body::broken || wants_continue_) return false;
  return parser_.chunked() || left_ <= kDrainLimit;
}

asio::awaitable<bool> IncomingRequest::drain() {
  std::size_t drained = 0;
  while (body_ == Body::reading && drained <= kDrainLimit) {
    auto reading = read_some(scratch());
    const Result<std::size_t> got = co_await std::move(reading);
    if (!got) co_return false;
    drained += *got;
  }
  co_return body_ == Body::ended;
}

Error IncomingRequest::broken(Errc code, std::string message) {
  body_ = Body::broken;
  deadline_.suspend();
  return fail(code, std::move(message));
}

}  // namespace ota::http
