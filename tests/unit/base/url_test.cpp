#include "ota/base/url.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ota {
namespace {

using Segments = std::vector<std::string>;

TEST(Authority, IsTakenApart) {
  struct Case {
    const char* text;
    const char* host;
    const char* port;
  };
  for (const auto& [text, host, port] :
       {Case{"gw", "gw", ""}, Case{"gw:8080", "gw", "8080"}, Case{"gw:", "gw", ""},
        Case{"gw.example.:1", "gw.example", "1"}, Case{"[::1]", "::1", ""}, Case{"[::1]:8080", "::1", "8080"},
        Case{"127.0.0.1:1", "127.0.0.1", "1"}, Case{"[fe80::1%eth0]:1", "fe80::1%eth0", "1"}, Case{"a_b", "a_b", ""}}) {
    const auto parts = parse_authority(text);
    ASSERT_TRUE(parts) << text;
    EXPECT_EQ(parts->host, host) << text;
    EXPECT_EQ(parts->port, port) << text;
  }
  for (const std::string wrong :
       {"",     ":80",         ".",      "gw:80:80", "gw:http", "gw:123456",   "user@gw",       "user:pass@gw:80",
        "a b",  "[::1",        "[::1]x", "[gw]",     "[]",      "[127.0.0.1]", "[fe80::1%a/b]", "[fe80::1%a b]",
        "gw..", "gw..example", "..",     "::1",      "gw/",     "gw?x",        "gw#",           "g\xc3\xbcnter",
        "a,b",  "%6cocalhost", "-gw",    "gw-",      "1.2.3",   "1.2.3.256",   "[v1.x]",        "[::1%]"})
    EXPECT_FALSE(parse_authority(wrong)) << wrong;
}

TEST(Authority, HasABoundOfBytes) {
  const std::string name(253, 'a'), zone(245, 'a');
  const auto longer_name = name + "a", address = "[fe80::1%" + zone + "]:1", longer_address = "[fe80::1%a" + zone + "]:1";
  EXPECT_TRUE(parse_authority(name));
  EXPECT_FALSE(parse_authority(longer_name));
  EXPECT_TRUE(parse_authority(address));
  EXPECT_FALSE(parse_authority(longer_address));
}

template <class Text>
concept HasAuthority = requires(Text text) { parse_authority(std::forward<Text>(text)); };
template <class Text>
concept HasUrl = requires(Text text) { parse_url(std::forward<Text>(text)); };

TEST(Authority, ViewsNoTextThatIsGone) {
  static_assert(HasAuthority<const std::string&> && HasAuthority<std::string_view> && HasAuthority<const char*>);
  static_assert(HasUrl<const std::string&> && HasUrl<std::string_view> && HasUrl<const char*>);
  static_assert(!HasAuthority<std::string&&> && !HasAuthority<const std::string&&>);
  static_assert(!HasUrl<std::string&&> && !HasUrl<const std::string&&>);
}

TEST(Authority, SaysWhatTheHostIs) {
  EXPECT_EQ(parse_authority("gw:1")->kind, HostKind::name);
  EXPECT_EQ(parse_authority("10.0.0.1")->kind, HostKind::ipv4);
  EXPECT_EQ(parse_authority("10.0.0.1.:1")->kind, HostKind::ipv4);
  EXPECT_EQ(parse_authority("[fe80::1%eth0]:1")->kind, HostKind::ipv6);
  for (const char* host : {"gw", "a_b.c", "127.0.0.1", "::1", "fe80::1%eth0"}) EXPECT_TRUE(is_host(host)) << host;
  for (const char* wrong : {"", "gw:1", "[::1]", "::g", "a b", "1.2.3.4:5"}) EXPECT_FALSE(is_host(wrong)) << wrong;
}

TEST(Authority, HasAPortOrNone) {
  EXPECT_EQ(port_number(*parse_authority("gw:0")), 0);
  EXPECT_EQ(port_number(*parse_authority("[::1]:65535")), 65535);
  EXPECT_FALSE(port_number(*parse_authority("gw:65536")));
  EXPECT_FALSE(port_number(*parse_authority("gw:")));
  EXPECT_TRUE(parse_authority("gw:")->has_port);
  EXPECT_FALSE(parse_authority("gw")->has_port);
  EXPECT_EQ(host_and_port("gw", "80"), "gw:80");
  EXPECT_EQ(host_and_port("::1", "80"), "[::1]:80");
}

TEST(Url, HasSchemeAuthorityAndTarget) {
  const auto url = parse_url("https://[::1]:8443/download/{index}?a#b");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->authority.host, "::1");
  EXPECT_EQ(url->authority.port, "8443");
  EXPECT_EQ(url->origin, "https://[::1]:8443");
  EXPECT_EQ(url->target, "/download/{index}?a#b");
  EXPECT_EQ(parse_url("http://gw?x")->target, "?x");
  EXPECT_EQ(parse_url("http://gw")->target, "");
  for (const char* wrong :
       {"", "gw", "gw:80", "://gw", "http://", "http:///x", "http://u@gw", "http://gw\\@x/", "http://a b/"})
    EXPECT_FALSE(parse_url(wrong)) << wrong;
}

TEST(Url, DecodesEscapesAndLeavesPlus) {
  EXPECT_EQ(percent_decode("a%20b%2Fc+d%00"), std::string("a b/c+d\0", 8));
  EXPECT_EQ(percent_decode(""), "");
  EXPECT_EQ(percent_decode("%c3%BC"), "\xc3\xbc");
}

TEST(Url, RefusesBrokenEscapes) {
  for (const char* broken : {"%", "%4", "a%", "a%4", "%zz", "%4g", "%%41", "% 41"}) {
    EXPECT_FALSE(percent_decode(broken)) << broken;
  }
}

TEST(Url, EncodesAllButUnreserved) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b/c?d=e&f%\xff"), "a%20b%2Fc%3Fd%3De%26f%25%FF");
}

TEST(Url, DecodingUndoesEncodingForAnyBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    ASSERT_EQ(percent_decode(percent_encode(text)), text);
  }
}

TEST(Url, ParsesQueries) {
  const auto items = parse_query("a=1&b=x%26y&c&d=&=e&&f=1+2=3");
  const QueryItems expected = {{"a", "1"}, {"b", "x&y"}, {"c", ""}, {"d", ""}, {"", "e"}, {"f", "1 2=3"}};
  ASSERT_TRUE(items);
  EXPECT_EQ(*items, expected);
  EXPECT_EQ(parse_query(""), QueryItems{});
  EXPECT_FALSE(parse_query("a=%4"));
  EXPECT_FALSE(parse_query("%=1"));
}

TEST(Url, BoundsQueryItems) {
  std::string query = "a=1";
  for (int i = 1; i < 32; ++i) query += "&a=1";
  ASSERT_TRUE(parse_query(query));
  EXPECT_EQ(parse_query(query)->size(), 32u);
  EXPECT_FALSE(parse_query(query + "&a=1"));
}

TEST(Url, SplitsPaths) {
  EXPECT_EQ(split_path("/ota/gw-1/next"), (Segments{"ota", "gw-1", "next"}));
  EXPECT_EQ(split_path("/devices/a%20b%3a"), (Segments{"devices", "a b:"}));
  EXPECT_EQ(split_path("/"), Segments{});
}

TEST(Url, RefusesPathsThatLieAboutWhereTheyLead) {
  for (const char* bad : {"", "a", "//", "/a//b", "/a/", "/.", "/..", "/a/../b", "/%2e%2e/b", "/%2E", "/a%2fb", "/a%00",
                          "/a%", "/a%4", "*", "http://x/y"}) {
    EXPECT_FALSE(split_path(bad)) << bad;
  }
}

}  // namespace
}  // namespace ota
