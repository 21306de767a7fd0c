// What any peer sends: heads, chunked bodies, ranges, queries.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz/target.hpp"
#include "http/range.hpp"
#include "http/request_parser.hpp"
#include "ota/base/url.hpp"
#include "ota/http/host_names.hpp"

namespace ota::fuzz {
namespace {

using http::RequestParser;

/// What came of a head, for comparing.
struct Head {
  RequestParser::Progress progress = RequestParser::Progress::need_more;
  unsigned status = 0;
  std::size_t size = 0;
  std::string target;
  bool operator==(const Head&) const = default;
};

constexpr std::size_t kMaxTarget = 256;

Head parse(RequestParser& parser, std::string_view bytes, std::size_t step) {
  Head head;
  for (std::size_t end = std::min(step, bytes.size());; end = std::min(end + step, bytes.size())) {
    head.progress = parser.parse_head(bytes.substr(0, end));
    if (head.progress != RequestParser::Progress::need_more || end == bytes.size()) break;
  }
  if (head.progress == RequestParser::Progress::bad) {
    head.status = parser.status();
    require(head.status >= 400 && head.status < 600 && !parser.problem().empty(), "a bad head has a status");
  } else if (head.progress == RequestParser::Progress::done) {
    head.size = parser.head_size();
    head.target = parser.target();
    require(head.size <= bytes.size(), "a head ends within what came");
    require(head.target.size() <= kMaxTarget, "targets have a limit");
    parser.field("Authorization");
    parser.field(RequestParser::Known::range);
  }
  return head;
}

std::string decode(RequestParser& parser, std::string_view raw, std::size_t step, std::size_t room, bool& bad) {
  std::string body;
  std::vector<char> into(room);
  std::size_t end = std::min(step, raw.size()), at = 0;
  for (;;) {
    const auto done = parser.decode(raw.substr(at, end - at), into);
    require(done.consumed <= end - at && done.produced <= room, "decoding stays within its buffers");
    body.append(into.data(), done.produced);
    at += done.consumed;
    bad = done.progress == RequestParser::Progress::bad;
    if (bad || done.progress == RequestParser::Progress::done) return body;
    if (done.consumed > 0 || done.produced > 0) continue;
    if (end == raw.size()) return body;
    end = std::min(end + step, raw.size());
  }
}

}  // namespace

void http_request(std::string_view bytes) {
  const std::size_t step = 1 + first_byte(bytes) % 64;
  RequestParser whole(kMaxTarget), pieces(kMaxTarget);
  const auto one = parse(whole, bytes, std::max<std::size_t>(1, bytes.size()));
  const auto other = parse(pieces, bytes, step);
  // In pieces a fault may show before the line that it is in is whole, with another word for it.
  require(one.progress == other.progress || other.status != 0 || one.status != 0, "pieces change nothing");
  if (one.progress != RequestParser::Progress::done || other.progress != one.progress) return;
  require(one == other, "pieces change nothing");
  require(whole.content_length() == pieces.content_length() && whole.chunked() == pieces.chunked(), "nor the framing");
  if (!whole.chunked()) return;
  bool bad = false, bad_too = false;
  const auto raw = bytes.substr(one.size);
  const auto body = decode(whole, raw, std::max<std::size_t>(1, raw.size()), 4096, bad);
  const auto body_too = decode(pieces, raw, step, 7, bad_too);
  if (!bad && !bad_too) require(body == body_too, "nor the body");
}

void http_range(std::string_view bytes) {
  const auto size_text = line(bytes);
  std::uint64_t size = 0;
  for (const char c : size_text.substr(0, 19))
    if (c >= '0' && c <= '9') size = size * 10 + static_cast<std::uint64_t>(c - '0');
  const auto range = line(bytes);
  const auto answer = http::parse_range(range, size);
  std::uint64_t sum = 0;
  for (const auto& one : answer.ranges) {
    require(one.length > 0 && one.offset < size && one.length <= size - one.offset, "a range is within the content");
    sum += one.length;
  }
  require(answer.ranges.size() <= http::kMaxRanges, "ranges have a bound");
  require(answer.ranges.size() <= 1 || sum <= size, "ranges ask for no more than there is");
  require((answer.kind == http::RangeKind::ranges) == !answer.ranges.empty(), "ranges are there where they are told");
  http::etag_listed(bytes, "\"tag\"", true);
  http::etag_listed(bytes, "\"tag\"", false);
  http::if_range_holds(bytes, "\"tag\"");
}

void http_host(std::string_view bytes) {
  static const http::HostNames names([] {
    http::HostNames::Options options;
    options.own = {"gw", "192.0.2.1", "fd00::1"};
    return options;
  }());
  const auto parts = parse_authority(bytes);
  if (!parts) return;
  require(!parts->host.empty() && parts->host.size() <= 253, "a host has letters, and not too many");
  require(parts->host.find_first_of("/@?# \r\n\t\"\\") == std::string_view::npos, "a host is no more than that");
  require(parts->port.find_first_not_of("0123456789") == std::string_view::npos, "a port is a number");
  std::string upper(parts->host);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  require(names.has(parts->host) == names.has(upper), "case says nothing");
  const auto written = upper.find(':') != std::string::npos ? "[" + upper + "]" : upper;
  const auto again = parse_authority(written);
  require(again && again->host == upper, "what was split stays so");
}

void http_query(std::string_view bytes) {
  if (const auto decoded = percent_decode(bytes)) {
    require(decoded->size() <= bytes.size(), "decoding never grows");
    require(percent_decode(percent_encode(*decoded)) == *decoded, "encoding can be undone");
  }
  if (const auto items = parse_query(bytes)) require(items->size() <= 32, "a query has a bound");
  if (const auto parts = split_path(bytes)) {
    for (const auto& part : *parts)
      require(!part.empty() && part != "." && part != ".." && part.find('/') == std::string::npos &&
                  part.find('\0') == std::string::npos,
              "no segment leads elsewhere");
  }
}

}  // namespace ota::fuzz
