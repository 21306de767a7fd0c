#include "http/request_parser.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/version.hpp>
#include <cstring>
#include <limits>

#include "ota/base/text.hpp"

namespace ota::http {
namespace beast = boost::beast;

namespace {

// This class relies on more than Beast documents: put() hands out views into its argument (place() checks that), reads
// its argument from the beginning where it asked for more, and asserts to have five bytes behind a chunk (decode()).
// With another Beast, read basic_parser.ipp for these three, run the fuzz target http_request for an hour, and name the
// version here. That of Boost 1.83 (347) differs from that of 1.81 (345) only in how error codes get their values.
static_assert(BOOST_BEAST_VERSION == 345 || BOOST_BEAST_VERSION == 347,
              "the parser was checked against Beast of Boost 1.81 and 1.83");

constexpr std::string_view kBadRequest = "the request is not valid HTTP/1.1";

Method to_method(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get:
      return Method::get;
    case beast::http::verb::head:
      return Method::head;
    case beast::http::verb::post:
      return Method::post;
    case beast::http::verb::put:
      return Method::put;
    case beast::http::verb::patch:
      return Method::patch;
    case beast::http::verb::delete_:
      return Method::delete_;
    default:
      return Method::other;
  }
}

/// `… HTTP/2.0`: well-formed, but not a version that is spoken here.
bool names_other_version(std::string_view head) {
  const std::string_view line = head.substr(0, head.find("\r\n"));
  if (line.size() < 9) return false;
  const std::string_view version = line.substr(line.size() - 9);
  return version.starts_with(" HTTP/") && is_digit(version[6]) && version[7] == '.' && is_digit(version[8]);
}

}  // namespace

std::string_view to_string(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::patch:
      return "PATCH";
    case Method::delete_:
      return "DELETE";
    case Method::other:
      break;
  }
  return "other";
}

RequestParser::RequestParser(std::size_t max_target_bytes) : max_target_bytes_(max_target_bytes) {
  // Bounds are the session's buffer and the handler's; Beast's own would only answer less exactly.
  header_limit(std::numeric_limits<std::uint32_t>::max());
  body_limit(boost::none);
  eager(false);
}

RequestParser::Progress RequestParser::parse_head(std::string_view head) {
  base_ = head.data();
  available_ = head.size();
  while (consumed_ < head.size()) {
    error_code ec;
    consumed_ += put(boost::asio::const_buffer(head.data() + consumed_, head.size() - consumed_), ec);
    if (ec == beast::http::error::need_more) break;
    if (ec) {
      translate(ec, head);
      return Progress::bad;
    }
    if (!is_header_done()) continue;
    head_done_ = true;
    if (http11() && !has_host_) {
      refuse(400, "an HTTP/1.1 request needs a Host header", ec);
      return Progress::bad;
    }
    if (!http11() && chunked()) {
      refuse(400, "HTTP/1.0 has no Transfer-Encoding", ec);
      return Progress::bad;
    }
    return Progress::done;
  }
  const bool line_open = consumed_ == 0;
  if (line_open && head.size() > max_target_bytes_ + 64) {
    error_code ignored;
    refuse(414, "the request's target is too long", ignored);
    return Progress::bad;
  }
  return Progress::need_more;
}

std::optional<std::uint64_t> RequestParser::content_length() const {
  if (chunked()) return std::nullopt;
  const auto length = basic_parser::content_length();
  return length ? *length : 0;
}

std::string_view RequestParser::field(std::string_view name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (iequals(view(fields_[i].name), name)) return view(fields_[i].value);
  }
  return {};
}

std::string_view RequestParser::field(Known name) const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (fields_[i].known == name) return view(fields_[i].value);
  }
  return {};
}

RequestParser::Chunked RequestParser::decode(std::string_view raw, std::span<char> into) {
  into_ = into;
  produced_ = 0;
  Chunked result;
  while (!is_done() && produced_ < into.size()) {
    const std::size_t left = raw.size() - result.consumed;
    // The shortest thing that can stand behind a chunk is "0\r\n\r\n"; Beast asserts to have that much of it.
    if (left == 0 || (!in_chunk_ && left < 5)) break;
    error_code ec;
    const std::size_t used = put(boost::asio::const_buffer(raw.data() + result.consumed, left), ec);
    result.consumed += used;
    if (ec == beast::http::error::need_more) break;
    if (ec) {
      result.progress = Progress::bad;
      result.produced = produced_;
      return result;
    }
    // A chunk's header was read, or a part of its bytes.
    in_chunk_ = in_chunk_ ? chunk_left_ > 0 : true;
  }
  result.produced = produced_;
  if (is_done()) result.progress = Progress::done;
  return result;
}

bool RequestParser::place(string_view text, Place& into) const {
  if (text.empty()) {
    into = {0, 0};
    return true;
  }
  // A folded value (obs-fold, RFC 9112, 5.2) was put together elsewhere.
  if (text.data() < base_ || text.data() + text.size() > base_ + available_) return false;
  into = {static_cast<std::uint32_t>(text.data() - base_), static_cast<std::uint32_t>(text.size())};
  return true;
}

void RequestParser::refuse(unsigned status, std::string_view problem, error_code& ec) {
  status_ = status;
  problem_ = problem;
  ec = beast::http::error::bad_value;
}

void RequestParser::translate(const error_code& ec, std::string_view head) {
  if (status_ != 0) return;
  status_ = 400;
  problem_ = kBadRequest;
  if (ec == beast::http::error::bad_version && names_other_version(head)) {
    status_ = 505;
    problem_ = "only HTTP/1.0 and HTTP/1.1 are supported";
  } else if (ec == beast::http::error::bad_content_length || ec == beast::http::error::bad_transfer_encoding ||
             ec == beast::http::error::multiple_content_length) {
    problem_ = "Content-Length and Transfer-Encoding contradict each other";
  }
}

void RequestParser::on_request_impl(beast::http::verb verb, string_view, string_view target, int version,
                                    error_code& ec) {
  method_ = to_method(verb);
  version_ = version;
  if (target.size() > max_target_bytes_) return refuse(414, "the request's target is too long", ec);
  if (!place(target, target_)) refuse(400, kBadRequest, ec);
}

void RequestParser::on_field_impl(Known known, string_view name, string_view value, error_code& ec) {
  if (head_done_) return;  // a trailer behind a chunked body: nobody asks for those
  if (count_ == kMaxFields) return refuse(431, "too many header fields", ec);
  Field& field = fields_[count_];
  field.known = known;
  if (!place(name, field.name) || !place(value, field.value)) {
    return refuse(400, "a header field is folded over several lines", ec);
  }
  ++count_;
  if (known == Known::host) {
    if (has_host_) return refuse(400, "more than one Host header", ec);
    has_host_ = true;
  } else if (known == Known::content_length) {
    const bool digits = !value.empty() && std::all_of(value.begin(), value.end(), ota::is_digit);
    if (has_length_ || !digits) return refuse(400, "Content-Length must be given once, as a decimal number", ec);
    has_length_ = true;
  } else if (known == Known::transfer_encoding && !iequals(value, "chunked")) {
    refuse(501, "the only supported Transfer-Encoding is chunked", ec);
  }
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t remain, string_view body, error_code&) {
  const std::size_t taken = std::min(body.size(), into_.size() - produced_);
  std::memcpy(into_.data() + produced_, body.data(), taken);
  produced_ += taken;
  chunk_left_ = remain - taken;
  return taken;
}

}  // namespace ota::http
