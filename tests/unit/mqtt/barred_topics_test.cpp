#include "mqtt/barred_topics.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ota::mqtt {
namespace {

using std::chrono::seconds;

TEST(BarredTopics, APauseDoublesUpToAnHourAndIsForgotten) {
  BarredTopics topics;
  BarredTopics::Time now{};
  EXPECT_FALSE(topics.bars("t", now));
  EXPECT_EQ(topics.bar("t", now), seconds(60));
  EXPECT_TRUE(topics.bars("t", now + seconds(59)));
  EXPECT_FALSE(topics.bars("t", now + seconds(60)));
  EXPECT_FALSE(topics.bars("u", now));
  for (int expected : {120, 240, 480, 960, 1920, 3600, 3600}) {
    now += seconds(3600);
    EXPECT_EQ(topics.bar("t", now), seconds(expected));
  }
  now += seconds(2 * 3600 + 1);
  EXPECT_EQ(topics.bar("t", now), seconds(60));
}

TEST(BarredTopics, TheOneThatEndsFirstGivesWay) {
  BarredTopics topics;
  BarredTopics::Time now{};
  for (std::size_t i = 0; i <= BarredTopics::kMaxTopics; ++i)
    topics.bar(std::to_string(i), now + std::chrono::milliseconds(i));
  EXPECT_FALSE(topics.bars("0", now));
  EXPECT_TRUE(topics.bars("1", now));
  EXPECT_TRUE(topics.bars(std::to_string(BarredTopics::kMaxTopics), now));
}

}  // namespace
}  // namespace ota::mqtt
