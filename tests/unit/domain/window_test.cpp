#include "ota/domain/window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace ota {
namespace {

using ::testing::ElementsAre;

WallTime at(std::string_view text) {
  const auto time = parse_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(WallTime{});
}

Windows windows(std::string_view text) {
  const auto parsed = windows_from_text(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Windows{});
}

/// `open until 2026-…`, `closed until …` or `… for ever`.
std::string state(std::string_view text, std::string_view now, std::string_view device_zone = "") {
  const auto found = window_state(windows(text), device_zone, at(now));
  return std::string(found.open ? "open" : "closed") + (found.next ? " until " + to_rfc3339(*found.next) : " for ever");
}

WindowFields good_fields() { return {{"sat", "sun"}, "23:00", "04:00", "Europe/Berlin"}; }

/// The names of the fields that are wrong.
std::vector<std::string> wrong_fields(const std::vector<WindowFields>& fields) {
  const auto parsed = parse_windows(fields, "window");
  std::vector<std::string> names;
  if (parsed) return names;
  EXPECT_EQ(parsed.error().code, Errc::malformed);
  for (const auto& field : parsed.error().fields) names.push_back(field.field);
  return names;
}

std::vector<std::string> wrong_after(const std::function<void(WindowFields&)>& change) {
  auto fields = good_fields();
  change(fields);
  return wrong_fields({fields});
}

TEST(Window, FieldsBecomeAWindowAndBack) {
  const std::vector<WindowFields> fields{good_fields(), {{}, "00:00", "24:00", "device"}};
  const auto parsed = parse_windows(fields, "window");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->size(), 2u);
  const auto& window = parsed->front();
  EXPECT_EQ(window.days, std::bitset<7>(0b1100000));
  EXPECT_EQ(window.from, 23 * 60);
  EXPECT_EQ(window.to, 4 * 60);
  EXPECT_EQ(window.timezone, "Europe/Berlin");
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto back = to_fields((*parsed)[i]);
    EXPECT_EQ(back.days, fields[i].days);
    EXPECT_EQ(back.from, fields[i].from);
    EXPECT_EQ(back.to, fields[i].to);
    EXPECT_EQ(back.timezone, fields[i].timezone);
  }
  EXPECT_TRUE(parse_windows({}, "window")->empty());
}

TEST(Window, ErrorsNameTheField) {
  EXPECT_THAT(wrong_after([](auto&) {}), ElementsAre());
  EXPECT_THAT(wrong_after([](auto& f) { f.days = {"sat", "Sunday", "Sat"}; }), ElementsAre("window[0].days"));
  for (const auto* bad :
       {"", "24:00", "7:00", "07:60", "25:00", "07:0x", "-1:00", "+7:00", "07.00", "07:00:00", " 7:00"})
    EXPECT_THAT(wrong_after([&](auto& f) { f.from = bad; }), ElementsAre("window[0].from")) << bad;
  for (const auto* bad : {"", "24:01", "4:00", "04-00"})
    EXPECT_THAT(wrong_after([&](auto& f) { f.to = bad; }), ElementsAre("window[0].to")) << bad;
  for (const auto* bad : {"", "Europe/Berlni", "europe/berlin", "Device", "CET-1CEST,M3.5.0,M10.5.0/3", "+02:00"})
    EXPECT_THAT(wrong_after([&](auto& f) { f.timezone = bad; }), ElementsAre("window[0].timezone")) << bad;
  EXPECT_THAT(wrong_fields({good_fields(), {{"x"}, "x", "x", "x"}}),
              ElementsAre("window[1].days", "window[1].from", "window[1].to", "window[1].timezone"));
  EXPECT_THAT(wrong_fields(std::vector<WindowFields>(8, good_fields())), ElementsAre("window"));
  EXPECT_THAT(wrong_fields(std::vector<WindowFields>(7, good_fields())), ElementsAre());
}

TEST(Window, LengthZeroIsRefused) {
  for (const auto* time : {"00:00", "04:00", "23:59"})
    EXPECT_THAT(wrong_after([&](auto& f) { f.from = f.to = time; }), ElementsAre("window[0].to"));
  EXPECT_THAT(wrong_after([](auto& f) { f.from = "00:00", f.to = "24:00"; }), ElementsAre());
}

TEST(Window, TextGoesThereAndBack) {
  for (const auto* text : {"", "sat,sun 23:00-04:00 Europe/Berlin;* 00:00-24:00 device", "mon 00:00-00:01 Etc/GMT+12",
                           "mon,tue,wed,thu,fri,sat,sun 12:34-12:33 America/Argentina/Buenos_Aires"})
    EXPECT_EQ(to_text(windows(text)), text);
  EXPECT_TRUE(windows_from_text("* 01:00-02:00 Mars/Olympus_Mons")) << "a zone may have gone since it was stored";
  for (const auto* bad : {" ", "*", "* 01:00-02:00", "* 01:00-02:00 ", "* 01:00-01:00 UTC", "* 24:00-01:00 UTC",
                          " 01:00-02:00 UTC", "sat, 01:00-02:00 UTC", "* 01:00-02:00 UTC;", ";* 01:00-02:00 UTC",
                          "* 01:00-02:00 ../passwd", "* 01:00-02:00 UTC x", "*  01:00-02:00 UTC"})
    EXPECT_FALSE(windows_from_text(bad)) << bad;
  const Windows eight(8, windows("* 01:00-02:00 UTC").front());
  EXPECT_FALSE(windows_from_text(to_text(eight)));
}

TEST(Window, NoneIsAlwaysOpen) { EXPECT_EQ(state("", "2026-11-26T12:00:00Z"), "open for ever"); }

TEST(Window, OverMidnightAndOverTheWeek) {
  const auto* const weekend = "sat,sun 23:00-04:00 UTC";  // 28 November 2026 is a Saturday
  EXPECT_EQ(state(weekend, "2026-11-26T12:00:00Z"), "closed until 2026-11-28T23:00:00Z");
  EXPECT_EQ(state(weekend, "2026-11-28T22:59:59.999Z"), "closed until 2026-11-28T23:00:00Z");
  EXPECT_EQ(state(weekend, "2026-11-28T23:00:00Z"), "open until 2026-11-29T04:00:00Z");
  EXPECT_EQ(state(weekend, "2026-11-29T03:59:59.999Z"), "open until 2026-11-29T04:00:00Z");
  EXPECT_EQ(state(weekend, "2026-11-29T04:00:00Z"), "closed until 2026-11-29T23:00:00Z");
  EXPECT_EQ(state(weekend, "2026-11-30T01:00:00Z"), "open until 2026-11-30T04:00:00Z") << "Sunday's goes into Monday";
  EXPECT_EQ(state(weekend, "2026-11-30T04:00:00Z"), "closed until 2026-12-05T23:00:00Z");
  EXPECT_EQ(state("sat 00:00-03:00 UTC", "2026-11-28T03:00:00Z"), "closed until 2026-12-05T00:00:00Z");
  EXPECT_EQ(state("* 23:00-00:00 UTC", "2026-11-28T23:30:00Z"), "open until 2026-11-29T00:00:00Z");
}

TEST(Window, ThoseThatTouchOrOverlapAreOne) {
  const auto* const three = "sat 20:00-24:00 UTC;sun 00:00-02:00 UTC;* 01:00-03:00 UTC";
  EXPECT_EQ(state(three, "2026-11-28T21:00:00Z"), "open until 2026-11-29T03:00:00Z");
  EXPECT_EQ(state(three, "2026-11-29T03:00:00Z"), "closed until 2026-11-30T01:00:00Z");
  EXPECT_EQ(state("* 00:00-24:00 Europe/Berlin", "2026-10-24T12:00:00Z"), "open for ever");
  EXPECT_EQ(state("* 06:00-18:00 UTC;* 18:00-06:00 UTC", "2026-10-24T12:00:00Z"), "open for ever");
  EXPECT_EQ(state("sat,sun 00:00-24:00 UTC", "2026-11-28T12:00:00Z"), "open until 2026-11-30T00:00:00Z");
  EXPECT_EQ(state("* 22:00-23:00 Europe/Berlin;* 22:00-23:00 Europe/London", "2026-11-28T21:30:00Z"),
            "open until 2026-11-28T23:00:00Z")
      << "zones of their own";
}

TEST(Window, DevicesOwnZone) {
  const auto* const night = "* 02:00-03:00 device";
  EXPECT_EQ(state(night, "2026-11-26T12:00:00Z", "Asia/Kathmandu"), "closed until 2026-11-26T20:15:00Z");
  for (const auto* unknown :
       {"", "Nowhere/City", "../../../etc/passwd", "device", "/usr/share/zoneinfo/Asia/Kathmandu"})
    EXPECT_EQ(state(night, "2026-11-26T12:00:00Z", unknown), "closed until 2026-11-27T02:00:00Z") << unknown;
  EXPECT_EQ(state("* 02:00-03:00 Europe/Berlin", "2026-11-26T12:00:00Z", "Asia/Kathmandu"),
            "closed until 2026-11-27T01:00:00Z");
}

TEST(Window, TimesThatASummerTimeSkips) {
  // 31 March 2024 in Berlin: 02:00 became 03:00 at 01:00Z.
  EXPECT_EQ(state("* 02:15-02:45 Europe/Berlin", "2024-03-30T12:00:00Z"), "closed until 2024-04-01T00:15:00Z");
  EXPECT_EQ(state("* 02:30-04:00 Europe/Berlin", "2024-03-31T00:30:00Z"), "closed until 2024-03-31T01:00:00Z");
  EXPECT_EQ(state("* 02:30-04:00 Europe/Berlin", "2024-03-31T01:00:00Z"), "open until 2024-03-31T02:00:00Z");
  EXPECT_EQ(state("* 01:00-02:30 Europe/Berlin", "2024-03-31T00:30:00Z"), "open until 2024-03-31T01:00:00Z");
  EXPECT_EQ(state("sun 02:15-02:45 Europe/Berlin", "2024-03-30T12:00:00Z"), "closed until 2024-04-07T00:15:00Z");
  // Lord Howe, 6 October 2024: 02:00 became 02:30 at 5 October, 15:30Z.
  EXPECT_EQ(state("* 02:10-03:00 Australia/Lord_Howe", "2024-10-05T15:00:00Z"), "closed until 2024-10-05T15:30:00Z");
  EXPECT_EQ(state("* 02:10-03:00 Australia/Lord_Howe", "2024-10-05T15:30:00Z"), "open until 2024-10-05T16:00:00Z");
  // Apia had no 30 December 2011, a Friday.
  EXPECT_EQ(state("fri 10:00-12:00 Pacific/Apia", "2011-12-28T00:00:00Z"), "closed until 2012-01-05T20:00:00Z");
  EXPECT_EQ(state("thu 23:00-04:00 Pacific/Apia", "2011-12-30T09:30:00Z"), "open until 2011-12-30T10:00:00Z");
}

TEST(Window, TimesThatASummerTimeRepeats) {
  // 27 October 2024 in Berlin: 03:00 became 02:00 at 01:00Z.
  EXPECT_EQ(state("* 02:15-02:45 Europe/Berlin", "2024-10-27T00:00:00Z"), "closed until 2024-10-27T00:15:00Z");
  EXPECT_EQ(state("* 02:15-02:45 Europe/Berlin", "2024-10-27T00:45:00Z"), "closed until 2024-10-27T01:15:00Z");
  EXPECT_EQ(state("* 02:15-02:45 Europe/Berlin", "2024-10-27T01:15:00Z"), "open until 2024-10-27T01:45:00Z");
  EXPECT_EQ(state("* 02:00-03:00 Europe/Berlin", "2024-10-27T00:00:00Z"), "open until 2024-10-27T02:00:00Z");
  EXPECT_EQ(state("* 23:00-04:00 Europe/Berlin", "2024-10-26T21:00:00Z"), "open until 2024-10-27T03:00:00Z");
}

TEST(Window, RulesBeyondTheDatabasesTables) {
  EXPECT_EQ(state("* 23:00-04:00 Europe/Berlin", "2071-07-01T12:00:00Z"), "closed until 2071-07-01T21:00:00Z");
  EXPECT_EQ(state("* 23:00-04:00 Europe/Berlin", "2071-01-01T12:00:00Z"), "closed until 2071-01-01T22:00:00Z");
}

TEST(Timezones, Known) {
  for (const auto* name : {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12", "EST5EDT"})
    EXPECT_TRUE(known_timezone(name)) << name;
  for (const auto* name : {"", "device", "Europe", "Europe/", "Europe//Berlin", "europe/berlin", "/Europe/Berlin",
                           "Europe/../Europe/Berlin", "right/Europe/Berlin", "posix/Europe/Berlin", "localtime",
                           "zone.tab", "Europe/Berlin ", "Fixed/UTC+01:00:00"})
    EXPECT_FALSE(known_timezone(name)) << name;
  EXPECT_FALSE(known_timezone(std::string_view("UTC\0", 4)));
  EXPECT_FALSE(known_timezone("A" + std::string(10'000, 'a')));
}

}  // namespace
}  // namespace ota
