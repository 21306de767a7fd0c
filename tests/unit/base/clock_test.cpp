#include "ota/base/clock.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, WritesWholeSecondsInUtc) {
  EXPECT_EQ(to_rfc3339(WallTime{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(WallTime{1'795'336'200'999ms}), "2026-11-22T08:30:00Z");
  EXPECT_EQ(to_rfc3339(WallTime{-1ms}), "1969-12-31T23:59:59Z");
}

TEST(Rfc3339, ReadsWhatItWrites) {
  for (const std::int64_t seconds : {0LL, 951'782'399LL, 951'868'799LL, 1'795'336'200LL, 4'102'444'800LL}) {
    const WallTime time{std::chrono::seconds{seconds}};
    EXPECT_EQ(parse_rfc3339(to_rfc3339(time)), time);
  }
}

TEST(Rfc3339, ReadsFractionsAndOffsets) {
  const WallTime time = *parse_rfc3339("2026-11-22T08:30:00Z");
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:00.1Z"), time + 100ms);
  EXPECT_EQ(parse_rfc3339("2026-11-22T08:30:00.123456789Z"), time + 123ms);
  EXPECT_EQ(parse_rfc3339("2026-11-22T09:30:00+01:00"), time);
  EXPECT_EQ(parse_rfc3339("2026-11-22T03:00:00-05:30"), time);
  EXPECT_EQ(parse_rfc3339("2026-11-22t08:30:00z"), time);
  EXPECT_EQ(parse_rfc3339("2026-11-22 08:30:00Z"), time);
}

TEST(Rfc3339, EveryYearHasFourDigits) {
  for (const char* text :
       {"0000-01-01T00:00:00Z", "0026-11-22T08:30:00Z", "0999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"})
    EXPECT_EQ(to_rfc3339(*parse_rfc3339(text)), text);
}

TEST(Rfc3339, RefusesWhatIsMalformed) {
  for (const char* text : {"",
                           "2026",
                           "2026-11-22",
                           "2026-11-22T08:30:00",
                           "2026-11-22T08:30Z",
                           "2026-13-22T08:30:00Z",
                           "2026-02-29T08:30:00Z",
                           "2026-11-31T08:30:00Z",
                           "2026-11-00T08:30:00Z",
                           "2026-11-22T24:30:00Z",
                           "2026-11-22T08:60:00Z",
                           "2026-11-22T08:30:61Z",
                           "2026-11-22T08:30:00.Z",
                           "2026-11-22T08:30:00+1:00",
                           "2026-11-22T08:30:00+24:00",
                           "2026-11-22T08:30:00+01:60",
                           "2026-11-22T08:30:00Z ",
                           " 2026-11-22T08:30:00Z",
                           "-026-11-22T08:30:00Z",
                           "2026/11/22T08:30:00Z",
                           "20261122T083000Z",
                           "0000-01-01T00:30:00+01:00",
                           "9999-12-31T23:30:00-01:00",
                           "9999-12-31T23:59:60Z"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(Rfc3339, RefusesEveryCutOffTime) {
  const std::string_view whole = "2026-11-22T08:30:00.5+01:00";
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_rfc3339(whole.substr(0, length))) << length;
  EXPECT_TRUE(parse_rfc3339(whole));
}

TEST(SystemClock, SteadyNeverGoesBack) {
  const SystemClock clock;
  const Millis first = clock.steady();
  EXPECT_GE(clock.steady(), first);
  EXPECT_GT(clock.wall(), *parse_rfc3339("2023-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace ota
