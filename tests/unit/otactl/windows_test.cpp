#include "otactl/windows.hpp"

#include <gtest/gtest.h>

#include "otactl/failure.hpp"

namespace ota::otactl {
namespace {

TEST(ParseWindow, TellsItsPartsApart) {
  EXPECT_EQ(parse_window("23:00-04:00"), Json::parse(R"({"from": "23:00", "to": "04:00"})"));
  EXPECT_EQ(parse_window("sat,sun 23:00-04:00 Europe/Berlin"),
            Json::parse(R"({"days": ["sat", "sun"], "from": "23:00", "to": "04:00", "timezone": "Europe/Berlin"})"));
  EXPECT_EQ(parse_window(" mon  01:00-02:00  device "),
            Json::parse(R"({"days": ["mon"], "from": "01:00", "to": "02:00", "timezone": "device"})"));
}

TEST(ParseWindow, RefusesWhatHasOtherParts) {
  for (const auto* text : {"", "sat", "23:00", "23:00-", "1-2-3", "sat 1:00-2:00 UTC UTC", "sat sun 1:00-2:00"})
    EXPECT_THROW(parse_window(text), Failure) << text;
}

TEST(WindowsText, ShowsThemAsTheyAreWritten) {
  EXPECT_EQ(windows_text(Json()), "");
  EXPECT_EQ(windows_text(Json::parse(R"([{"days": ["sat", "sun"], "from": "23:00", "to": "04:00", "timezone": "UTC"},
                                         {"days": [], "from": "01:00", "to": "02:00", "timezone": "device"}])")),
            "sat, sun 23:00-04:00 UTC; 01:00-02:00 device");
}

}  // namespace
}  // namespace ota::otactl
