#include "otactl/table.hpp"

#include <gtest/gtest.h>

namespace ota::otactl {
namespace {

using Widths = std::vector<std::size_t>;

TEST(FitColumns, LeavesWhatFits) {
  EXPECT_EQ(fit_columns({5, 10}, {5, 8}, 17), (Widths{5, 10}));
  EXPECT_EQ(fit_columns({500, 100}, {5, 8}, 0), (Widths{500, 100}));
}

TEST(FitColumns, TakesFromTheWidestFirst) {
  EXPECT_EQ(fit_columns({5, 30, 20}, {5, 8, 8}, 39), (Widths{5, 15, 15}));
}

TEST(FitColumns, LeavesOutTheLastColumnsButNeverTheFirst) {
  EXPECT_EQ(fit_columns({10, 10, 10}, {8, 8, 8}, 20), (Widths{8, 8, 0}));
  EXPECT_EQ(fit_columns({30, 10}, {8, 8}, 5), (Widths{5, 0}));
  EXPECT_EQ(fit_columns({}, {}, 5), Widths{});
}

TEST(Table, IsAlignedAndNeverWiderThanTheTerminal) {
  Table table({{"DEVICE"}, {"DEVICES", true}, {"TAGS"}});
  table.add({"gw-1", "1,000", "site=berlin rack=7 floor=3"});
  table.add({"gw-22", "7", "-"});
  EXPECT_EQ(table.text(0, {}),
            "DEVICE  DEVICES  TAGS\n"
            "gw-1      1,000  site=berlin rack=7 floor=3\n"
            "gw-22         7  -\n");
  EXPECT_EQ(table.text(30, {}),
            "DEVICE  DEVICES  TAGS\n"
            "gw-1      1,000  site=berlin ~\n"
            "gw-22         7  -\n");
}

TEST(Table, MeasuresWhatIsShownNotBytes) {
  Table table({{"NAME"}, {"X"}});
  table.add({"Zürich", "1"});
  table.add({"Bern", "2"});
  EXPECT_EQ(table.text(0, {}), "NAME    X\nZürich  1\nBern    2\n");
}

TEST(Cut, KeepsWholeCharacters) {
  EXPECT_EQ(cut("Zürich", 6, {}), "Zürich");
  EXPECT_EQ(cut("Zürich", 3, {}), "Zü~");
  EXPECT_EQ(cut("Zürich", 3, {true, false}), "Zü…");
  EXPECT_EQ(cut("Zürich", 0, {}), "");
}

TEST(Printable, EscapesWhatCouldSteerATerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb\nc"), "a\\x1b[2Jb\\nc");
  EXPECT_EQ(printable("\xff"), "\\xff");
}

}  // namespace
}  // namespace ota::otactl
