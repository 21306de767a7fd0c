#include "http/header_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ota/base/text.hpp"

namespace ota::http {
namespace {

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

void append_range(std::string& out, ByteRange range, std::uint64_t size) {
  out += "Content-Range: bytes ";
  append_number(out, range.offset);
  out += '-';
  append_number(out, range.offset + range.length - 1);
  out += '/';
  append_number(out, size);
  out += "\r\n";
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Has bytes below a space, or DEL, among its eight: Mycroft's test for a zero byte, twice.
std::uint64_t controls(std::uint64_t word) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  const std::uint64_t against_delete = word ^ 0x7f * kEach;
  const std::uint64_t found =
      ((word - ' ' * kEach) & ~word) | ((against_delete - kEach) & ~against_delete);  // zero where it is DEL
  return found & 0x80 * kEach;
}

/// Eight letters at a time: every reply asks this of all that it says.
bool has_control(std::string_view text) {
  constexpr std::size_t kWord = sizeof(std::uint64_t);
  std::uint64_t found = 0;
  std::uint64_t word = 0;
  if (text.size() < kWord) return std::any_of(text.begin(), text.end(), is_control);
  for (std::size_t at = 0; at + kWord <= text.size(); at += kWord) {
    std::memcpy(&word, text.data() + at, kWord);
    found |= controls(word);
  }
  std::memcpy(&word, text.data() + text.size() - kWord, kWord);
  return (found | controls(word)) != 0;
}

bool is_name(std::string_view name) {
  return !name.empty() && !has_control(name) && name.find(' ') == std::string_view::npos &&
         name.find(':') == std::string_view::npos;
}

}  // namespace

std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 422:
      return "Unprocessable Content";
    case 428:
      return "Precondition Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    case 507:
      return "Insufficient Storage";
    default:
      return "Unknown";
  }
}

std::string http_date(std::time_t time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                     utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

void HeaderWriter::status(unsigned code) {
  out_ += "HTTP/1.1 ";
  append_number(out_, code);
  out_ += ' ';
  out_ += reason_phrase(code);
  out_ += "\r\n";
}

void HeaderWriter::field(std::string_view name, std::string_view value) {
  out_ += name;
  out_ += ": ";
  const std::size_t at = out_.size();
  out_ += value;
  // A line break in a value would let its author write header fields.
  if (has_control(value)) std::replace_if(out_.begin() + static_cast<std::ptrdiff_t>(at), out_.end(), is_control, ' ');
  out_ += "\r\n";
}

void HeaderWriter::field(const Header& header) {
  if (is_name(header.name)) field(header.name, header.value);
}

void HeaderWriter::number(std::string_view name, std::uint64_t value) {
  out_ += name;
  out_ += ": ";
  append_number(out_, value);
  out_ += "\r\n";
}

void HeaderWriter::content_range(ByteRange range, std::uint64_t size) { append_range(out_, range, size); }

void HeaderWriter::connection(Connection connection) {
  if (connection == Connection::close) out_ += "Connection: close\r\n";
  if (connection == Connection::keep_alive_http10) out_ += "Connection: keep-alive\r\n";
}

void append_part_head(std::string& out, std::string_view boundary, std::string_view content_type, ByteRange range,
                      std::uint64_t size) {
  out += "\r\n--";
  out += boundary;
  out += "\r\n";
  HeaderWriter writer(out);
  writer.field("Content-Type", content_type);
  writer.content_range(range, size);
  writer.end();
}

void append_part_end(std::string& out, std::string_view boundary) {
  out += "\r\n--";
  out += boundary;
  out += "--\r\n";
}

std::uint64_t multipart_length(std::string_view boundary, std::string_view content_type,
                               const std::vector<ByteRange>& ranges, std::uint64_t size) {
  std::string heads;
  std::uint64_t total = 0;
  for (const ByteRange& range : ranges) {
    heads.clear();
    append_part_head(heads, boundary, content_type, range, size);
    total += heads.size() + range.length;
  }
  heads.clear();
  append_part_end(heads, boundary);
  return total + heads.size();
}

}  // namespace ota::http
