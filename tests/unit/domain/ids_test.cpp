#include "ota/domain/ids.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <limits>
#include <string>

namespace ota {
namespace {

bool allowed(int c) {
  return c < 128 && (std::isalnum(c) != 0 || std::string_view("_.:@-").find(static_cast<char>(c)) != std::string::npos);
}

TEST(DeviceId, TakesWhatTheProtocolNames) {
  for (int c = 0; c < 256; ++c) {
    for (const std::string around : {"", "a"}) {
      const auto text = around + static_cast<char>(c) + around;
      const auto id = DeviceId::parse(text);
      const bool folder = text == ".";  // for URLs
      ASSERT_EQ(id.has_value(), c != 0 && !folder && allowed(c)) << c;
      if (id) {
        EXPECT_EQ(id->str(), text);
      }
    }
  }
}

TEST(DeviceId, HasOneTo128Characters) {
  EXPECT_FALSE(DeviceId::parse(""));
  EXPECT_TRUE(DeviceId::parse(std::string(128, 'a')));
  EXPECT_FALSE(DeviceId::parse(std::string(129, 'a')));
  EXPECT_FALSE(DeviceId::parse(std::string("a\0b", 3)));
  EXPECT_FALSE(DeviceId::parse("a/b"));
}

TEST(DeviceId, IsNoFolderOfAUrl) {
  EXPECT_FALSE(DeviceId::parse("."));
  EXPECT_FALSE(DeviceId::parse(".."));
  for (const auto* id : {"...", ".a", "a.", "..a", ".-"}) EXPECT_TRUE(DeviceId::parse(id)) << id;
}

TEST(Hardware, IsEmptyOrAName) {
  EXPECT_TRUE(valid_hardware(""));
  EXPECT_TRUE(valid_hardware(std::string(64, 'a')));
  EXPECT_FALSE(valid_hardware(std::string(65, 'a')));
  for (int c = 0; c < 256; ++c) EXPECT_EQ(valid_hardware(std::string(1, static_cast<char>(c))), allowed(c)) << c;
}

TEST(KeyName, IsNoneOfWhatActsWithoutAKey) {
  for (const auto* name : {"me", "engine-2", "devices", "otad@gw", "operator", "admin", "-x"})
    EXPECT_TRUE(valid_key_name(name)) << name;
  for (const auto* name : {"", ".", "..", "a b", "anonymous", "device", "engine", "otad", "Engine", "OTAD"})
    EXPECT_FALSE(valid_key_name(name)) << name;
}

TEST(TaskId, IsWrittenWithAtLeastSixDigits) {
  EXPECT_EQ((TaskId{20261122, 1}).str(), "OTA_20261122_000001");
  EXPECT_EQ((TaskId{20261122, 999'999}).str(), "OTA_20261122_999999");
  EXPECT_EQ((TaskId{20261122, 1'000'000}).str(), "OTA_20261122_1000000");
}

TEST(TaskId, ReadsBackWhatItWrites) {
  for (const std::int32_t day : {19700101, 20240229, 20261122, 99991231}) {
    for (const std::int64_t number : {std::int64_t{1}, std::int64_t{42}, std::int64_t{999'999}, std::int64_t{1'000'000},
                                      std::int64_t{123'456'789'012}, std::numeric_limits<std::int64_t>::max()}) {
      const TaskId id{day, number};
      EXPECT_EQ(TaskId::parse(id.str()), id) << id.str();
    }
  }
}

TEST(TaskId, RefusesEverythingElse) {
  for (const char* text : {"",
                           "OTA",
                           "OTA_",
                           "OTA_20261122",
                           "OTA_20261122_",
                           "OTA_20261122_00001",
                           "OTA_20261122_000000",
                           "OTA_20261122_0000001",
                           "OTA_20261122_0123456",
                           "ota_20261122_000001",
                           "OTA-20261122-000001",
                           "OTA_20261122_000001 ",
                           " OTA_20261122_000001",
                           "OTA_20261122_00000a",
                           "OTA_20261122_-00001",
                           "OTA_20261122_+00001",
                           "OTA_2026112_0000001",
                           "OTA_+2026112_000001",
                           "OTA_-2026112_000001",
                           "OTA_20261322_000001",
                           "OTA_20261100_000001",
                           "OTA_20260229_000001",
                           "OTA_20261131_000001",
                           "OTA_20261122_9223372036854775808",
                           "OTA_20261122_99999999999999999999999999",
                           "OTA_20261122_000001\n"}) {
    EXPECT_FALSE(TaskId::parse(text)) << text;
  }
}

}  // namespace
}  // namespace ota
