#include "ota/wire/bearer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ota::wire {
namespace {

TEST(Bearer, IsTheWholeTokenOrNone) {
  EXPECT_EQ(bearer_token("Bearer abc"), "abc");
  EXPECT_EQ(bearer_token("BEARER abc"), "abc");
  for (const auto* none : {"", "Bearer", "Bearer ", "Basic abc", "Bearerabc", "abc"})
    EXPECT_EQ(bearer_token(none), "") << none;
  EXPECT_EQ(bearer_token("Bearer " + std::string(512, 'x')).size(), 512u);
  EXPECT_EQ(bearer_token("Bearer " + std::string(513, 'x')).size(), 513u) << "a wrong one, not none";
}

}  // namespace
}  // namespace ota::wire
