#include "ota/domain/firmware.hpp"

#include <gtest/gtest.h>

namespace ota {
namespace {

Firmware firmware_named(const char* hardware, const char* version) {
  Firmware firmware;
  firmware.hardware = hardware;
  firmware.version = version;
  return firmware;
}

TEST(Filename, IsPlain) {
  for (const char* good : {"a", "gw-a-1.0.0+b1.swu", "_x", "0", "+"}) EXPECT_TRUE(valid_filename(good)) << good;
  for (const char* bad : {"", ".", "..", ".swu", "-a", "a/b", "a\\b", "a b", "a%b", "a:b", "a\"b", "\xc3\xa4", "a\n"})
    EXPECT_FALSE(valid_filename(bad)) << bad;
  EXPECT_TRUE(valid_filename(std::string(200, 'a')));
  EXPECT_FALSE(valid_filename(std::string(201, 'a')));
}

TEST(Filename, ComesFromHardwareAndVersion) {
  EXPECT_EQ(default_filename(firmware_named("gw-a", "1.4.0"), false), "gw-a-1.4.0.bin");
  EXPECT_EQ(default_filename(firmware_named("", "1.4.0"), true), "firmware-1.4.0.swu");
  EXPECT_EQ(default_filename(firmware_named("gw:a@2", "2:1~rc+b"), false), "gw_a_2-2_1_rc+b.bin");
}

TEST(Filename, TheDefaultIsAlwaysValid) {
  const std::string longest_hardware(64, '.');
  const std::string longest_version(128, '~');
  for (const auto& hardware : {longest_hardware, std::string("-"), std::string("@"), std::string()}) {
    const auto firmware = firmware_named(hardware.c_str(), longest_version.c_str());
    for (const bool swupdate : {true, false}) EXPECT_TRUE(valid_filename(default_filename(firmware, swupdate)));
  }
}

}  // namespace
}  // namespace ota
