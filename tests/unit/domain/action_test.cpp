#include "ota/domain/action.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace ota {
namespace {

TEST(Actions, IdsThatNoClientMisreads) {
  EXPECT_EQ(readable_action(0), 11);
  EXPECT_EQ(readable_action(11), 11);
  EXPECT_EQ(readable_action(20), 21);
  EXPECT_EQ(readable_action(99), 99);
  EXPECT_EQ(readable_action(100), 101);
  EXPECT_EQ(readable_action(101), 101);
  EXPECT_EQ(readable_action(110), 110);
  EXPECT_EQ(readable_action(3'000), 3'001);
  EXPECT_EQ(readable_action(2'000'000'000), 2'000'000'001);
}

TEST(Actions, EndWithSigned32Bits) {
  constexpr auto kLast = std::numeric_limits<ActionId>::max();
  EXPECT_EQ(readable_action(kLast), kLast);
  EXPECT_FALSE(readable_action(std::int64_t{kLast} + 1));
}

TEST(Actions, WordsOfReports) {
  EXPECT_EQ(parse_execution("closed"), Execution::closed);
  EXPECT_EQ(parse_execution("download"), Execution::download);
  EXPECT_EQ(to_string(Execution::rejected), "rejected");
  EXPECT_FALSE(parse_execution("Closed"));
  EXPECT_FALSE(parse_execution(""));
  EXPECT_EQ(parse_finished("none"), Finished::none);
  EXPECT_FALSE(parse_finished("ok"));
}

}  // namespace
}  // namespace ota
