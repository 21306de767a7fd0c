#include "http/header_writer.hpp"

#include <fmt/chrono.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <charconv>

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

bool is_name(std::string_view name) {
  return !name.empty() && !has_control(name) && name.find(' ') == std::string_view::npos &&
         name.find(':') == std::string_view::npos;
}

}  // namespace

std::string_view reason_phrase(unsigned status) {
  return boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(status));
}

std::string http_date(std::time_t time) { return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(time)); }

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
