#include "mqtt/version_choice.hpp"

#include <gtest/gtest.h>

namespace ota::mqtt {
namespace {

TEST(VersionChoice, AVersionThatIsSetStays) {
  for (const auto set : {Version::v5, Version::v3_1_1}) {
    VersionChoice choice(set);
    EXPECT_EQ(choice.next(), set);
    EXPECT_FALSE(choice.refused());
    EXPECT_FALSE(choice.hung_up());
    EXPECT_FALSE(choice.connected());
    EXPECT_EQ(choice.next(), set);
  }
}

TEST(VersionChoice, ARefusalOf5IsRemembered) {
  VersionChoice choice(Version::automatic);
  EXPECT_EQ(choice.next(), Version::v5);
  EXPECT_TRUE(choice.refused());
  EXPECT_EQ(choice.next(), Version::v3_1_1);
  EXPECT_FALSE(choice.connected());
  EXPECT_EQ(choice.next(), Version::v3_1_1) << "after that connection is lost";
}

TEST(VersionChoice, ABrokerThatHangsUpOn5IsProvenByASecondTry) {
  VersionChoice choice(Version::automatic);
  EXPECT_TRUE(choice.hung_up());
  EXPECT_EQ(choice.next(), Version::v3_1_1);
  EXPECT_TRUE(choice.connected()) << "given up for one more try";
  EXPECT_EQ(choice.next(), Version::v5);
  EXPECT_TRUE(choice.hung_up());
  EXPECT_EQ(choice.next(), Version::v3_1_1);
  EXPECT_FALSE(choice.connected());
  EXPECT_EQ(choice.next(), Version::v3_1_1) << "remembered";
}

TEST(VersionChoice, OneNetworkErrorLeadsBackTo5) {
  VersionChoice choice(Version::automatic);
  EXPECT_TRUE(choice.hung_up());
  EXPECT_TRUE(choice.connected());
  EXPECT_EQ(choice.next(), Version::v5);
  EXPECT_FALSE(choice.connected());
  EXPECT_EQ(choice.next(), Version::v5);
}

TEST(VersionChoice, WhileNothingAnswersItWaitsBetweenRoundsAndBeginsWith5) {
  VersionChoice choice(Version::automatic);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(choice.next(), Version::v5);
    EXPECT_TRUE(choice.hung_up());
    EXPECT_EQ(choice.next(), Version::v3_1_1);
    EXPECT_FALSE(choice.hung_up());
  }
  EXPECT_FALSE(choice.connected());
  EXPECT_EQ(choice.next(), Version::v5);
}

TEST(VersionChoice, WhatWasRememberedIsTriedAnewWhenItFails) {
  VersionChoice choice(Version::automatic);
  choice.refused();
  choice.connected();
  EXPECT_FALSE(choice.refused()) << "now it is 3.1.1 that is refused";
  EXPECT_EQ(choice.next(), Version::v5);
  EXPECT_FALSE(choice.connected());
}

}  // namespace
}  // namespace ota::mqtt
