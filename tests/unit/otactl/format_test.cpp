#include "otactl/format.hpp"

#include <gtest/gtest.h>

namespace ota::otactl {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsUnitsAndSums) {
  EXPECT_EQ(parse_duration("90"), 90s);
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("30m"), 30min);
  EXPECT_EQ(parse_duration("30min"), 30min);
  EXPECT_EQ(parse_duration("2h"), 2h);
  EXPECT_EQ(parse_duration("1d"), 24h);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("0"), 0s);
}

TEST(ParseDuration, RefusesTheRest) {
  for (const auto* text : {"", "h", "-1", "1.5h", "1 h", "1w", "2h x", "99999999999999999999", "9999999999d", "3661d"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Texts, OfNumbersAndSizes) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(counted(1, "device"), "1 device");
  EXPECT_EQ(counted(2000, "device"), "2,000 devices");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(14'889'779), "14.2 MiB");
  EXPECT_EQ(bytes_text(5ull << 40), "5.0 TiB");
}

TEST(Texts, OfTimes) {
  EXPECT_EQ(span_text(12s), "12 s");
  EXPECT_EQ(span_text(5min), "5 min");
  EXPECT_EQ(span_text(5h), "5 h");
  EXPECT_EQ(span_text(72h), "3 d");
  const auto now = *parse_rfc3339("2026-11-27T10:00:00Z");
  EXPECT_EQ(age_text(now - 30s, now), "30 s");
  EXPECT_EQ(age_text(now + 1s, now), "0 s");
  EXPECT_EQ(age_text(now + 5h, now), "in 5 h");
}

}  // namespace
}  // namespace ota::otactl
