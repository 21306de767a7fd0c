#include "ota/credentials/secrets.hpp"

#include <gtest/gtest.h>

namespace ota::credentials {
namespace {

TEST(RandomText, DiffersAndHasNoPadding) {
  EXPECT_EQ(random_text(24).size(), 32u);
  EXPECT_NE(random_text(24), random_text(24));
  EXPECT_EQ(random_text(16).find_first_of("+/="), std::string::npos);
}

TEST(MosquittoLine, HasTheFormOfMosquittoPasswd) {
  const auto line = mosquitto_line("gw-1", "secret");
  EXPECT_TRUE(line.starts_with("gw-1:$7$101$")) << line;
  EXPECT_EQ(line.size(), std::string("gw-1:$7$101$").size() + 16 + 1 + 88);
  EXPECT_NE(line, mosquitto_line("gw-1", "secret"));
}

TEST(MosquittoLine, MatchesItsUserAndPasswordAlone) {
  const auto line = mosquitto_line("gw-1", "secret");
  EXPECT_TRUE(matches(line, "gw-1", "secret"));
  EXPECT_FALSE(matches(line, "gw-1", "Secret"));
  EXPECT_FALSE(matches(line, "gw-2", "secret"));
  // Written by mosquitto_passwd 2.0.11.
  EXPECT_TRUE(matches("otad:$7$101$huIt6b3xyNbgON8Z$GNiiC3iXNz6JlqqTB+Xdu9ScRf15mA1cRhhtSRcfr0h5Y0IAT+o5+kEBmxGV+1bmGXnxl57mUAJ/8mfuzuAM2Q==",
                      "otad", "secret"));
}

TEST(MosquittoLine, OtherFormsDoNotMatch) {
  for (const auto* line : {"", "gw-1", "gw-1:", "gw-1:secret", "gw-1:$6$salt$hash", "gw-1:$7$", "gw-1:$7$0$AAAA$AAAA",
                           "gw-1:$7$101$AAAA", "gw-1:$7$101$AAAA$", "gw-1:$7$9999999999$AAAA$AAAA",
                           "gw-1:$7$101$%%%%$%%%%"})
    EXPECT_FALSE(matches(line, "gw-1", "secret")) << line;
}

}  // namespace
}  // namespace ota::credentials
