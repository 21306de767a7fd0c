#include "http/range.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

namespace ota::http {

void PrintTo(const ByteRange& range, std::ostream* out) { *out << range.offset << "+" << range.length; }

namespace {

using Ranges = std::vector<ByteRange>;

struct RangeCase {
  const char* value;
  std::uint64_t size;
  RangeKind kind;
  Ranges ranges;
};

constexpr auto kWhole = RangeKind::whole;
constexpr auto kRanges = RangeKind::ranges;
constexpr auto kUnsatisfiable = RangeKind::unsatisfiable;

TEST(Range, FollowsRfc9110) {
  const RangeCase cases[] = {
      {"bytes=0-0", 100, kRanges, {{0, 1}}},
      {"bytes=0-99", 100, kRanges, {{0, 100}}},
      {"bytes=10-", 100, kRanges, {{10, 90}}},
      {"bytes=99-", 100, kRanges, {{99, 1}}},
      {"bytes=90-500", 100, kRanges, {{90, 10}}},
      {"bytes=-1", 100, kRanges, {{99, 1}}},
      {"bytes=-100", 100, kRanges, {{0, 100}}},
      {"bytes=-500", 100, kRanges, {{0, 100}}},
      {"BYTES=5-6", 100, kRanges, {{5, 2}}},
      {" bytes=5-6\t", 100, kRanges, {{5, 2}}},
      {"bytes=0-1,5-6", 100, kRanges, {{0, 2}, {5, 2}}},
      {"bytes= 0-1 , ,\t5-6,", 100, kRanges, {{0, 2}, {5, 2}}},
      {"bytes=5-6,0-1,-2", 100, kRanges, {{5, 2}, {0, 2}, {98, 2}}},
      {"bytes=0-1,200-", 100, kRanges, {{0, 2}}},
      {"bytes=0-1,-0", 100, kRanges, {{0, 2}}},
      {"bytes=100-", 100, kUnsatisfiable, {}},
      {"bytes=100-200,300-", 100, kUnsatisfiable, {}},
      {"bytes=-0", 100, kUnsatisfiable, {}},
      {"bytes=0-", 0, kUnsatisfiable, {}},
      {"bytes=18446744073709551615-", 100, kUnsatisfiable, {}},
      {"bytes=18446744073709551616-", 100, kUnsatisfiable, {}},
      {"bytes=0-18446744073709551616", 100, kRanges, {{0, 100}}},
      {"bytes=0-99999999999999999999999999", 100, kRanges, {{0, 100}}},
      {"bytes=-99999999999999999999999999", 100, kRanges, {{0, 100}}},
      {"bytes=0--1", 100, kWhole, {}},
      {"bytes=--1", 100, kWhole, {}},
      {"bytes=-", 100, kWhole, {}},
      {"bytes=", 100, kWhole, {}},
      {"bytes=,", 100, kWhole, {}},
      {"bytes", 100, kWhole, {}},
      {"", 100, kWhole, {}},
      {"bytes=5-4", 100, kWhole, {}},
      {"bytes=0-1,5-4", 100, kWhole, {}},
      {"bytes=a-b", 100, kWhole, {}},
      {"bytes=1", 100, kWhole, {}},
      {"bytes=0x1-2", 100, kWhole, {}},
      {"bytes=+1-2", 100, kWhole, {}},
      {"bytes=1 - 2", 100, kWhole, {}},
      {"bytes =1-2", 100, kWhole, {}},
      {"lines=1-2", 100, kWhole, {}},
      {"bytes=1-2;3-4", 100, kWhole, {}},
  };
  for (const RangeCase& c : cases) {
    const RangeAnswer answer = parse_range(c.value, c.size);
    EXPECT_EQ(answer.kind, c.kind) << c.value;
    EXPECT_EQ(answer.ranges, c.ranges) << c.value;
  }
}

std::string many(std::size_t count) {
  std::string value = "bytes=0-0";
  for (std::size_t i = 1; i < count; ++i) value += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
  return value;
}

TEST(Range, IgnoresTooMany) {
  EXPECT_EQ(parse_range(many(kMaxRanges), 1000).ranges.size(), kMaxRanges);
  EXPECT_EQ(parse_range(many(kMaxRanges + 1), 1000).kind, kWhole);
}

TEST(Range, IgnoresAbuse) {
  EXPECT_EQ(parse_range("bytes=0-9,5-14", 1000).kind, kRanges);
  EXPECT_EQ(parse_range("bytes=0-9,5-14,10-19,15-24", 1000).kind, kWhole);
  EXPECT_EQ(parse_range("bytes=0-,0-", 1000).kind, kWhole);
  EXPECT_EQ(parse_range("bytes=0-,-1", 1000).kind, kWhole);
  EXPECT_EQ(parse_range("bytes=0-499,500-999", 1000).kind, kRanges);
}

TEST(Range, FullSizeDoesNotOverflow) {
  constexpr auto kMax = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(parse_range("bytes=0-18446744073709551615", kMax).ranges, (Ranges{{0, kMax}}));
  EXPECT_EQ(parse_range("bytes=0-,1-,2-", kMax).kind, kWhole);
}

TEST(Range, AnyTextGivesRangesInsideOrNone) {
  std::mt19937 random(11);
  const std::string letters = "0123456789-,= \tbytes9";
  for (int round = 0; round < 200'000; ++round) {
    std::string value = random() % 4 == 0 ? "" : "bytes=";
    const std::size_t length = random() % 24;
    for (std::size_t i = 0; i < length; ++i) value += letters[random() % letters.size()];
    const std::uint64_t size = random() % 50;
    const RangeAnswer answer = parse_range(value, size);
    ASSERT_EQ(answer.kind == kRanges, !answer.ranges.empty()) << value;
    ASSERT_LE(answer.ranges.size(), kMaxRanges);
    for (const ByteRange& range : answer.ranges) {
      ASSERT_GT(range.length, 0u) << value;
      ASSERT_LE(range.offset + range.length, size) << value;
    }
  }
}

TEST(Range, OneRangeMatchesArithmetic) {
  for (std::uint64_t size = 0; size < 12; ++size) {
    for (std::uint64_t first = 0; first < 14; ++first) {
      for (std::uint64_t last = 0; last < 14; ++last) {
        const auto answer = parse_range("bytes=" + std::to_string(first) + "-" + std::to_string(last), size);
        if (last < first) {
          ASSERT_EQ(answer.kind, kWhole);
        } else if (first >= size) {
          ASSERT_EQ(answer.kind, kUnsatisfiable);
        } else {
          ASSERT_EQ(answer.ranges, (Ranges{{first, std::min(last + 1, size) - first}}));
        }
      }
    }
  }
}

TEST(Etag, ListsAreReadWithTheirQuotes) {
  EXPECT_TRUE(etag_listed("\"a\"", "\"a\"", true));
  EXPECT_TRUE(etag_listed("\"x\", \"a\"", "\"a\"", true));
  EXPECT_TRUE(etag_listed("\"x,\\\",\"a\"", "\"a\"", true));
  EXPECT_TRUE(etag_listed(" * ", "\"a\"", true));
  EXPECT_FALSE(etag_listed("\"b\"", "\"a\"", true));
  EXPECT_FALSE(etag_listed("\"a,b\"", "\"a\"", true));
  EXPECT_FALSE(etag_listed("a", "\"a\"", true));
  EXPECT_FALSE(etag_listed("\"a", "\"a\"", true));
  EXPECT_FALSE(etag_listed("", "\"a\"", true));
}

TEST(Etag, WeakTagsMatchOnlyWeakly) {
  EXPECT_FALSE(etag_listed("W/\"a\"", "\"a\"", true));
  EXPECT_TRUE(etag_listed("W/\"a\"", "\"a\"", false));
  EXPECT_TRUE(etag_listed("W/\"a\", \"a\"", "\"a\"", true));
}

TEST(Etag, IfRangeTakesTheStrongTagOnly) {
  EXPECT_TRUE(if_range_holds("\"a\"", "\"a\""));
  EXPECT_FALSE(if_range_holds("W/\"a\"", "\"a\""));
  EXPECT_FALSE(if_range_holds("\"b\"", "\"a\""));
  EXPECT_FALSE(if_range_holds("Sun, 22 Nov 2026 08:30:00 GMT", "\"a\""));
  EXPECT_FALSE(if_range_holds("", ""));
}

}  // namespace
}  // namespace ota::http
