#include "ota/base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/log_line.hpp"
#include "ota/base/settings.hpp"
#include "ota/base/text.hpp"
#include "unit/base/temp_dir.hpp"

namespace ota::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

const WallTime kWhen = *parse_rfc3339("2026-11-22T08:30:00.123Z");

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Escape, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(printable("device=gw-17 °C 固件 🚀 \"a\\b\""), "device=gw-17 °C 固件 🚀 \"a\\b\"");
}

TEST(Escape, EveryByteAloneIsPrintable) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string out = printable(std::string(1, static_cast<char>(byte)));
    EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](char c) { return c >= ' ' && c < 0x7f; })) << byte;
    EXPECT_EQ(out[0] == '\\', byte < 0x20 || byte > 0x7e || byte == '\\') << byte;
  }
}

TEST(Escape, WritesOutWhatBreaksLines) {
  EXPECT_EQ(printable("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(printable(std::string_view("\0\x1b[31m\x7f", 7)), "\\x00\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6"), "\\x85\\u2028\\u202e\\u2066");
}

TEST(Escape, WritesOutBadUtf8) {
  EXPECT_EQ(printable("\xc0\x80"), "\\xc0\\x80");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
  EXPECT_EQ(printable("\xe5\x9b"), "\\xe5\\x9b");                    // cut off
  EXPECT_EQ(printable("\xe5\x9b"
                      "a"),
            "\\xe5\\x9b"
            "a");
}

TEST(Text, WhatIsUtf8) {
  for (const auto* text : {"", "a", "Größe ✓", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) EXPECT_TRUE(is_utf8(text)) << text;
  for (const auto* text : {"\xff", "a\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"})
    EXPECT_FALSE(is_utf8(text)) << printable(text);
}

TEST(Escape, JsonStringsAreRfc8259) {
  EXPECT_EQ(json("a\"b\\c\nd"), R"("a\"b\\c\nd")");
  EXPECT_EQ(json(std::string_view("\0\x1f", 2)), R"("\u0000\u001f")");
  EXPECT_EQ(json("\xff"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(json("\xe2\x80\xa8"), R"("\u2028")");
}

TEST(LogLine, TextHasTimeLevelMessage) {
  EXPECT_EQ(format_line(Format::text, kWhen, Level::info, "ready"), "2026-11-22T08:30:00.123Z info  ready\n");
  EXPECT_EQ(format_line(Format::text, kWhen, Level::error, "disk full"), "2026-11-22T08:30:00.123Z error disk full\n");
}

TEST(LogLine, JsonPullsDeviceAndTaskOut) {
  EXPECT_EQ(format_line(Format::json, kWhen, Level::warn, "refused device=gw-17 task=OTA_20261122_000042"),
            R"({"time":"2026-11-22T08:30:00.123Z","level":"warn",)"
            R"("message":"refused device=gw-17 task=OTA_20261122_000042",)"
            R"("device":"gw-17","task":"OTA_20261122_000042"})"
            "\n");
  EXPECT_EQ(format_line(Format::json, kWhen, Level::info, "subdevice=1 device= x"),
            "{\"time\":\"2026-11-22T08:30:00.123Z\",\"level\":\"info\",\"message\":\"subdevice=1 device= x\"}\n");
}

TEST(LogLine, OutsideDataForgesNoLine) {
  const std::string forged = "x\n2026-11-22T08:30:00.123Z error all is lost";
  for (const Format format : {Format::text, Format::json}) {
    const std::string line = format_line(format, kWhen, Level::warn, forged);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_THAT(line, EndsWith("\n"));
  }
}

TEST(LogLine, LongMessagesAreCut) {
  const std::string line = format_line(Format::text, kWhen, Level::info, std::string(100'000, 'x'));
  EXPECT_LT(line.size(), kMaxMessage + 100);
  EXPECT_THAT(line, EndsWith("91808 bytes cut\n"));
}

TEST(Level, WordsGoBothWays) {
  for (const Level level : {Level::trace, Level::debug, Level::info, Level::warn, Level::error, Level::off})
    EXPECT_EQ(parse_level(level_name(level)), level);
  EXPECT_FALSE(parse_level("warning"));
  EXPECT_FALSE(parse_level(""));
}

class LogFile : public testing::Test {
 protected:
  ~LogFile() override { static_cast<void>(configure(Level::info, "", Format::text)); }

  TempDir dir_;
  const std::string file_ = dir_ / "otad.log";
};

TEST_F(LogFile, TakesLinesAtOnceFromInfoUpwards) {
  ASSERT_TRUE(configure(Level::info, file_, Format::text));
  debug("not this one");
  info("first");
  EXPECT_THAT(content_of(file_), EndsWith("Z info  first\n"));
  warn("second");
  EXPECT_THAT(content_of(file_), EndsWith("Z warn  second\n"));
  EXPECT_THAT(content_of(file_), Not(HasSubstr("not this one")));
}

TEST_F(LogFile, IsNotForEverybody) {
  const mode_t before = umask(0);
  ASSERT_TRUE(configure(Level::info, file_, Format::text));
  umask(before);
  struct stat status {};
  ASSERT_EQ(stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(LogFile, ThatCantBeOpenedIsAnErrorAndChangesNothing) {
  ASSERT_TRUE(configure(Level::info, file_, Format::text));
  const auto refused = configure(Level::error, dir_ / "no/such/folder.log", Format::json);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no/such/folder.log: No such file or directory"));
  info("still here");
  EXPECT_THAT(content_of(file_), EndsWith("Z info  still here\n"));
}

TEST_F(LogFile, IsOpenedAnewAfterItWasMovedAway) {
  ASSERT_TRUE(configure(Level::info, file_, Format::text));
  info("old");
  std::filesystem::rename(file_, dir_ / "otad.log.1");
  ASSERT_TRUE(configure(Level::info, file_, Format::json));
  info("new");
  EXPECT_THAT(content_of(dir_ / "otad.log.1"), EndsWith("old\n"));
  EXPECT_THAT(content_of(file_), EndsWith("\"message\":\"new\"}\n"));
}

TEST_F(LogFile, LevelChangesWhileRunning) {
  ASSERT_TRUE(configure(LogSettings{.level = "error", .file = file_, .format = "text"}));
  EXPECT_FALSE(enabled(Level::warn));
  ASSERT_TRUE(configure(LogSettings{.level = "debug", .file = file_, .format = "text"}));
  EXPECT_TRUE(enabled(Level::debug));
  EXPECT_FALSE(enabled(Level::trace));
  EXPECT_FALSE(enabled(Level::off));
  EXPECT_FALSE(configure(LogSettings{.level = "loud", .file = file_, .format = "text"}));
}

TEST_F(LogFile, ThreadsDontMixTheirLines) {
  ASSERT_TRUE(configure(Level::info, file_, Format::text));
  constexpr int kLines = 500;
  std::vector<std::thread> threads;
  for (const char letter : {'a', 'b', 'c', 'd'})
    threads.emplace_back([letter] {
      for (int i = 0; i < kLines; ++i) info(std::string(60, letter));
    });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(configure(Level::info, file_, Format::text));
  for (std::thread& thread : threads) thread.join();
  std::istringstream lines(content_of(file_));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_GT(line.size(), 60u);
    ASSERT_EQ(line.substr(line.size() - 60), std::string(60, line.back()));
  }
  EXPECT_EQ(count, 4 * kLines);
}

}  // namespace
}  // namespace ota::log
