#include "ota/base/text.hpp"

#include <gtest/gtest.h>

#include <array>

namespace ota {
namespace {

using namespace std::string_view_literals;

constexpr std::array kStates{"queued"sv,    "offered"sv, "downloading"sv, "retry_wait"sv, "installing"sv,
                             "succeeded"sv, "failed"sv,  "cancelled"sv,   "expired"sv};

TEST(Ascii, ControlCharactersAreFound) {
  EXPECT_FALSE(has_control(""));
  EXPECT_FALSE(has_control(" ~\x80\xff"));
  for (const char c : {'\0', '\n', '\x1f', '\x7f'}) EXPECT_TRUE(has_control(std::string("ab") + c)) << int{c};
}

TEST(Ascii, CaseIsIgnoredForLettersAlone) {
  EXPECT_TRUE(iequals("Content-Type", "content-tYPE"));
  EXPECT_TRUE(iequals("", ""));
  EXPECT_FALSE(iequals("a", "ab"));
  EXPECT_FALSE(iequals("@", "`"));
  EXPECT_FALSE(iequals("\xc4", "\xe4")) << "not of ASCII";
}

TEST(Ascii, TrimsBothEnds) {
  EXPECT_EQ(trim(" \t a b\t "), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("a\r"), "a\r");
  EXPECT_EQ(trim(" a\r", " \r"), "a");
}

TEST(Ascii, ReadsWholeDecimalNumbers) {
  EXPECT_EQ(parse_decimal<std::uint16_t>("65535"), 65535);
  EXPECT_EQ(parse_decimal<std::int64_t>("-7"), -7);
  EXPECT_EQ(parse_decimal<std::uint32_t>("007"), 7u);
  for (const char* wrong : {"", "-1", "+1", " 1", "1 ", "1x", "0x1", "65536"})
    EXPECT_FALSE(parse_decimal<std::uint16_t>(wrong)) << wrong;
}

TEST(Ascii, SplitsAtEachSign) {
  using Parts = std::vector<std::string_view>;
  EXPECT_EQ(split("a,,b,", ','), (Parts{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), Parts{""});
  EXPECT_EQ(parts_of(",a,,b,", ','), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(parts_of("", ',').empty());
}

TEST(Utf8Prefix, EndsAtACharactersEnd) {
  EXPECT_EQ(utf8_prefix("abc", 3), "abc");
  EXPECT_EQ(utf8_prefix("abc", 2), "ab");
  EXPECT_EQ(utf8_prefix("abc", 0), "");
  EXPECT_EQ(utf8_prefix("aé", 2), "a");
  EXPECT_EQ(utf8_prefix("aéb", 3), "aé");
  EXPECT_EQ(utf8_prefix("a✓b", 3), "a");
  EXPECT_EQ(utf8_prefix("a\U0001F600b", 4), "a");
  EXPECT_EQ(utf8_prefix("a\U0001F600b", 5), "a\U0001F600");
  EXPECT_EQ(utf8_prefix("✓", 2), "");
  EXPECT_EQ(utf8_prefix(std::string(9, '\x80'), 5).size(), 5u) << "no character has so many";
}

TEST(Closest, FindsWhatWasMeant) {
  EXPECT_EQ(closest("downloadng", kStates), "downloading");
  EXPECT_EQ(closest("Queued", kStates), "queued");
  EXPECT_EQ(closest("canceled", kStates), "cancelled");
  EXPECT_EQ(closest("success", kStates), "succeeded");
  EXPECT_EQ(closest("fialed", kStates), "failed");
  EXPECT_EQ(closest("retry-wait", kStates), "retry_wait");
}

TEST(Closest, SaysNothingOfWhatIsFar) {
  EXPECT_EQ(closest("banana", kStates), "");
  EXPECT_EQ(closest("", kStates), "");
  EXPECT_EQ(closest("x", kStates), "");
  EXPECT_EQ(closest(std::string(300, 'q'), kStates), "");
  EXPECT_EQ(closest("queued", {}), "");
}

TEST(Closest, TakesTheNearestOfSeveral) {
  EXPECT_EQ(closest("max_rates", {"max_rate_per_device", "max_rate"}), "max_rate");
  EXPECT_EQ(closest("failde", {"failed", "faded"}), "failed");
}

TEST(Closest, TakesTheLastPartWhereOnlyOneEndsSo) {
  EXPECT_EQ(closest("max_active", {"tasks.max_active", "http.threads"}), "tasks.max_active");
  EXPECT_EQ(closest("url", {"mqtt.url", "http.public_url"}), "");
  EXPECT_EQ(closest("LISTEN", {"http.listen", "http.threads"}), "http.listen");
}

}  // namespace
}  // namespace ota
