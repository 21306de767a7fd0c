// What rollouts, devices and the fleet have by default: forms that requests have too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ota/base/settings.hpp"

namespace ota {
namespace {

bool takes(const std::string& variable, const std::string& value) {
  return load_settings("", {fmt::format("OTAD_{}={}", variable, value)}).has_value();
}

TEST(SettingsOfRollouts, Percentages) {
  for (const auto* variable : {"ROLLOUTS_STAGES", "ROLLOUTS_MAX_FAILURES", "ROLLOUTS_MAX_FAILURE_RATE"}) {
    for (const auto* value : {"0.01%", "0.5%", "5%", "33.33%", "100%", "100.0%"})
      EXPECT_TRUE(takes(variable, value)) << variable << " " << value;
    for (const auto* value : {"0%", "0.00%", "0.001%", "100.01%", "101%", "-1%", "-0.5%", "-1.5%", "9.-5%", "%", ".5%",
                              "1.%", "1 %", "+1%", "x"})
      EXPECT_FALSE(takes(variable, value)) << variable << " " << value;
  }
}

TEST(SettingsOfRollouts, NumbersOfDevices) {
  for (const auto* variable : {"ROLLOUTS_STAGES", "ROLLOUTS_MAX_FAILURES"}) {
    for (const auto* value : {"1", "40", "1000000000"}) EXPECT_TRUE(takes(variable, value)) << variable << " " << value;
    for (const auto* value : {"0", "-1", "1.5", "1000000001"})
      EXPECT_FALSE(takes(variable, value)) << variable << " " << value;
  }
  EXPECT_FALSE(takes("ROLLOUTS_MAX_FAILURE_RATE", "5"));
  EXPECT_TRUE(takes("ROLLOUTS_STAGES", "canary"));
  EXPECT_FALSE(takes("ROLLOUTS_MAX_FAILURES", "canary"));
}

TEST(SettingsOfRollouts, TheChannelOfNewDevices) {
  for (const auto& value : {std::string("b"), std::string("x_1-2"), std::string(64, 'c')})
    EXPECT_TRUE(takes("DEVICES_DEFAULT_CHANNEL", value)) << value;
  for (const auto& value : {std::string(), std::string(65, 'c'), std::string("Beta"), std::string("a.b")})
    EXPECT_FALSE(takes("DEVICES_DEFAULT_CHANNEL", value)) << value;
}

}  // namespace
}  // namespace ota
