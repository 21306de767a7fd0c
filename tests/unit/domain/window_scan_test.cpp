// Windows against a scan of every minute, with glibc's local times.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <random>
#include <thread>

#include "ota/domain/window.hpp"

namespace ota {
namespace {

using std::chrono::minutes;

constexpr int kDays = 400;
constexpr std::size_t kHorizon = 28 * 24 * 60;

/// A zone and the day with which its scan begins.
struct Place {
  const char* zone;
  const char* start;
};

constexpr Place kPlaces[]{
    {"Europe/Berlin", "2024-01-01T00:00:00Z"},       {"America/New_York", "2024-01-01T00:00:00Z"},
    {"Australia/Lord_Howe", "2024-01-01T00:00:00Z"},  // half an hour
    {"Asia/Kathmandu", "2024-01-01T00:00:00Z"},       // a quarter of an hour from others
    {"Africa/Casablanca", "2024-01-01T00:00:00Z"},    // changes at both ends of Ramadan
    {"Pacific/Apia", "2011-06-01T00:00:00Z"},         // a day that was skipped
    {"America/Havana", "2024-01-01T00:00:00Z"},       // changes at midnight
    {"Africa/Cairo", "2024-01-01T00:00:00Z"},         // changes at the end of a day
    {"Pacific/Kwajalein", "1969-06-01T00:00:00Z"},    // 23 hours that were repeated
    {"Antarctica/Troll", "2024-01-01T00:00:00Z"},     // two hours
};

/// The process's time zone, for localtime_r(), until the end of the scope.
class ProcessZone {
 public:
  explicit ProcessZone(const char* zone) {
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~ProcessZone() {
    ::unsetenv("TZ");
    ::tzset();
  }
  ProcessZone(const ProcessZone&) = delete;
  ProcessZone& operator=(const ProcessZone&) = delete;
};

/// The minute of the week that the local clock shows, Monday first, for every minute of the scan.
std::vector<std::uint16_t> local_minutes(const Place& place, WallTime start) {
  const ProcessZone zone(place.zone);
  std::vector<std::uint16_t> shown;
  shown.reserve(kDays * kMinutesOfDay);
  auto second = std::chrono::duration_cast<std::chrono::seconds>(start.time_since_epoch()).count();
  for (int i = 0; i < kDays * kMinutesOfDay; ++i, second += 60) {
    std::tm tm{};
    const std::time_t time = second;
    ::localtime_r(&time, &tm);
    shown.push_back(static_cast<std::uint16_t>((tm.tm_wday + 6) % 7 * kMinutesOfDay + tm.tm_hour * 60 + tm.tm_min));
  }
  return shown;
}

/// The minutes of the week in which one of the windows is open.
std::vector<char> open_minutes(const Windows& windows) {
  constexpr int kWeek = 7 * kMinutesOfDay;
  std::vector<char> open(kWeek);
  for (const auto& window : windows) {
    for (int day = 0; day < 7; ++day) {
      if (window.days.any() && !window.days.test(static_cast<std::size_t>(day))) continue;
      const int length = (window.to - window.from + kMinutesOfDay - 1) % kMinutesOfDay + 1;
      for (int i = 0; i < length; ++i)
        open[static_cast<std::size_t>((day * kMinutesOfDay + window.from + i) % kWeek)] = 1;
    }
  }
  return open;
}

Windows random_windows(std::mt19937& random) {
  Windows windows(1 + random() % 3);
  for (auto& window : windows) {
    window.timezone = kDeviceTimezone;
    if (random() % 2 == 0) window.days = random() % 128;
    // Most begin and end where clocks change, many touch.
    const auto time = [&] { return random() % 3 == 0 ? random() % kMinutesOfDay : random() % 20 * 15; };
    window.from = static_cast<std::uint16_t>(time());
    do window.to = static_cast<std::uint16_t>(random() % 10 == 0 ? kMinutesOfDay : time());
    while (window.to == window.from);
  }
  return windows;
}

/// For each minute of the scan the next one at which `open` changes; the scan's end if none.
std::vector<std::size_t> next_changes(const std::vector<char>& open) {
  std::vector<std::size_t> next(open.size(), open.size());
  for (std::size_t i = open.size() - 1; i-- > 0;) next[i] = open[i] != open[i + 1] ? i + 1 : next[i + 1];
  return next;
}

class WindowScan : public ::testing::TestWithParam<Place> {};

TEST_P(WindowScan, AgreesWithEveryMinute) {
  std::mt19937 random(14);
  const WallTime start = parse_rfc3339(GetParam().start).value();
  const auto shown = local_minutes(GetParam(), start);
  for (int round = 0; round < 5; ++round) {
    const auto windows = random_windows(random);
    const auto week = open_minutes(windows);
    std::vector<char> open;
    open.reserve(shown.size());
    for (const auto minute : shown) open.push_back(week[minute]);
    const auto next = next_changes(open);
    // Around each change, and here and there between.
    for (std::size_t i = 0; i + kHorizon + kMinutesOfDay < open.size();) {
      const auto state = window_state(windows, GetParam().zone, start + minutes(i));
      const auto at = [&] { return to_text(windows) + " at " + to_rfc3339(start + minutes(i)); };
      ASSERT_EQ(state.open, open[i] == 1) << at();
      ASSERT_EQ(state.next.has_value(), next[i] - i < kHorizon) << at();
      if (state.next) {
        ASSERT_EQ(to_rfc3339(*state.next), to_rfc3339(start + minutes(next[i]))) << at();
      }
      const auto step = i + 1 + random() % 600;
      i = i + 1 < next[i] ? std::min(step, next[i] - 1) : next[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Places, WindowScan, ::testing::ValuesIn(kPlaces), [](const auto& test) {
  std::string name = test.param.zone;
  for (auto& c : name)
    if (c == '/') c = '_';
  return name;
});

TEST(WindowThreads, ManyAskAtOnce) {
  const auto windows = windows_from_text("* 02:00-03:00 Asia/Kathmandu;sat,sun 23:00-04:00 device").value();
  const auto now = parse_rfc3339("2026-11-26T12:00:00Z").value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (const auto& place : kPlaces)
        for (int k = 0; k < 50; ++k) {
          EXPECT_FALSE(window_state(windows, place.zone, now).open);
          EXPECT_FALSE(known_timezone("Nowhere/" + std::to_string(k)));
        }
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace ota
