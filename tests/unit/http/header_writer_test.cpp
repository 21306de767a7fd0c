#include "http/header_writer.hpp"

#include <gtest/gtest.h>

namespace ota::http {
namespace {

TEST(HeaderWriter, WritesGoldenBytes) {
  std::string out;
  HeaderWriter writer(out);
  writer.status(206);
  writer.field("ETag", "\"x\"");
  writer.number("Content-Length", 18446744073709551615ull);
  writer.content_range({5, 10}, 100);
  writer.connection(Connection::keep_alive);
  writer.connection(Connection::keep_alive_http10);
  writer.connection(Connection::close);
  writer.end();
  EXPECT_EQ(out,
            "HTTP/1.1 206 Partial Content\r\nETag: \"x\"\r\nContent-Length: 18446744073709551615\r\n"
            "Content-Range: bytes 5-14/100\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n");
}

TEST(HeaderWriter, LetsNobodyWriteASecondLine) {
  std::string out;
  HeaderWriter writer(out);
  writer.field("X", std::string_view("a\r\nSet-Cookie: b\0c", 18));
  writer.field({"Bad\r\nName", "x"});
  writer.field({"", "x"});
  writer.field({"A:B", "x"});
  writer.field({"A B", "x"});
  EXPECT_EQ(out, "X: a  Set-Cookie: b c\r\n");
  writer.field({"Y", "y"});
  EXPECT_EQ(out, "X: a  Set-Cookie: b c\r\nY: y\r\n");
}

TEST(HeaderWriter, FindsEveryControlCharacterAtEveryPlace) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool control = byte < 0x20 || byte == 0x7f;
    for (std::size_t size : {1u, 7u, 8u, 9u, 17u}) {
      for (std::size_t at = 0; at < size; ++at) {
        std::string value(size, '~');
        value[at] = static_cast<char>(byte);
        std::string expected = value;
        if (control) expected[at] = ' ';
        std::string out;
        HeaderWriter(out).field("X", value);
        EXPECT_EQ(out, "X: " + expected + "\r\n") << byte << " at " << at << " of " << size;
      }
    }
  }
}

TEST(HeaderWriter, WritesDates) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
}

TEST(HeaderWriter, NamesTheStatusesThatAreUsed) {
  EXPECT_EQ(reason_phrase(404), "Not Found");
  EXPECT_EQ(reason_phrase(799), "<unknown-status>");
  for (const unsigned status : {200u, 201u, 202u, 204u, 206u, 304u, 400u, 401u, 403u, 404u, 405u, 409u, 410u, 412u,
                                413u, 414u, 415u, 416u, 417u, 421u, 422u, 429u, 431u, 500u, 501u, 503u, 505u, 507u}) {
    EXPECT_NE(reason_phrase(status), "<unknown-status>") << status;
  }
}

TEST(Multipart, LengthIsThatOfWhatIsWritten) {
  const std::vector<ByteRange> ranges = {{0, 1}, {10, 90}, {1000, 12345}};
  std::string body;
  for (const ByteRange& range : ranges) {
    append_part_head(body, "b", "text/plain", range, 99999);
    body.append(range.length, 'x');
  }
  append_part_end(body, "b");
  EXPECT_EQ(multipart_length("b", "text/plain", ranges, 99999), body.size());
  // The empty line in front is a preamble (RFC 2046, 5.1.1) that nginx and Apache send; zsync waits for it.
  EXPECT_TRUE(
      body.starts_with("\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/99999\r\n\r\nx\r\n--b\r\n"));
  EXPECT_TRUE(body.ends_with("x\r\n--b--\r\n"));
}

}  // namespace
}  // namespace ota::http
