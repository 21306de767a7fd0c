#include "ota/http/url.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ota::http {
namespace {

using Segments = std::vector<std::string>;

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
}  // namespace ota::http
