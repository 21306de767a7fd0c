// Writes the headers of replies.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "http/range.hpp"
#include "ota/http/message.hpp"

namespace ota::http {

/// `Not Found` for 404, as Beast has it; `<unknown-status>` for what isn't registered.
std::string_view reason_phrase(unsigned status);

/// IMF-fixdate (RFC 9110, 5.6.7): `Sun, 22 Nov 2026 08:30:00 GMT`.
std::string http_date(std::time_t time);

enum class Connection { keep_alive, keep_alive_http10, close };

/// Writes the header of a reply into a string that the caller reuses.
class HeaderWriter {
 public:
  explicit HeaderWriter(std::string& out) : out_(out) {}

  void status(unsigned code);
  /// Control characters of the value become spaces. `name` is one of ours.
  void field(std::string_view name, std::string_view value);
  /// One of a handler's: a name that isn't a token drops the field.
  void field(const Header& header);
  void number(std::string_view name, std::uint64_t value);
  /// `Content-Range: bytes 0-99/1000`.
  void content_range(ByteRange range, std::uint64_t size);
  void connection(Connection connection);
  void end() { out_ += "\r\n"; }

 private:
  std::string& out_;
};

/// The delimiter and head of one part of a multipart/byteranges body (RFC 9110, 14.6), appended to `out`. The first
/// begins with the empty line too, which is then a preamble (RFC 2046, 5.1.1): nginx and Apache send it, zsync needs
/// it.
void append_part_head(std::string& out, std::string_view boundary, std::string_view content_type, ByteRange range,
                      std::uint64_t size);
void append_part_end(std::string& out, std::string_view boundary);
/// Bytes of the whole multipart body.
std::uint64_t multipart_length(std::string_view boundary, std::string_view content_type,
                               const std::vector<ByteRange>& ranges, std::uint64_t size);

}  // namespace ota::http
