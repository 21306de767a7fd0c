#include "otactl/format.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "ota/base/text.hpp"

namespace ota::otactl {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kLongest = std::chrono::hours{24} * 3660;

std::tm local(WallTime time) {
  const auto seconds = std::chrono::system_clock::to_time_t(
      std::chrono::time_point_cast<std::chrono::system_clock::duration>(time));
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  return parts;
}

std::optional<std::chrono::seconds> unit_of(std::string_view text) {
  if (text.empty() || text == "s") return 1s;
  if (text == "m" || text == "min") return 60s;
  if (text == "h") return 3600s;
  if (text == "d") return 86'400s;
  return std::nullopt;
}

}  // namespace

std::string grouped(std::int64_t number) {
  auto text = std::to_string(number);
  const std::size_t sign = number < 0 ? 1 : 0;
  for (auto at = text.size(); at > sign + 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string counted(std::int64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(number), noun, number == 1 ? "" : "s");
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string span_text(std::chrono::seconds span) {
  if (span < 90s) return fmt::format("{} s", std::max<std::int64_t>(span.count(), 0));
  if (span < 90min) return fmt::format("{} min", span / 1min);
  if (span < 48h) return fmt::format("{} h", span / 1h);
  return fmt::format("{} d", span / 24h);
}

std::string age_text(WallTime time, WallTime now) {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - time);
  // Clocks differ by a little.
  return age < -2s ? "in " + span_text(-age) : span_text(age);
}

std::string local_text(WallTime time, WallTime now) {
  const auto then = local(time);
  const auto today = local(now);
  const bool same = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
  return same ? fmt::format("{:%H:%M}", then) : fmt::format("{:%b %d %H:%M}", then);
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::chrono::seconds sum{0};
  while (!text.empty()) {
    auto end = text.find_first_not_of("0123456789");
    if (end == 0) return std::nullopt;
    const auto number = parse_decimal<std::int64_t>(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
    end = text.find_first_of("0123456789");
    const auto unit = unit_of(text.substr(0, end));
    text.remove_prefix(std::min(end, text.size()));
    if (!number || !unit || *number > kLongest / *unit) return std::nullopt;
    sum += *number * *unit;
    if (sum > kLongest) return std::nullopt;
  }
  return sum;
}

}  // namespace ota::otactl
