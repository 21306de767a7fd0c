#include "ota/domain/ids.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "ota/base/text.hpp"
#include "ota/base/value_forms.hpp"

namespace ota {
namespace {

bool is_name_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == ':' ||
         c == '@' || c == '-';
}

bool is_name(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), is_name_char);
}

/// A part of a URL's path: clients fold `.` and `..` away (RFC 3986, 5.2.4).
bool is_path_name(std::string_view text, std::size_t longest) {
  return is_name(text, longest) && text != "." && text != "..";
}

bool is_date(std::int32_t day) {
  return std::chrono::year_month_day{std::chrono::year{day / 10'000}, std::chrono::month(day / 100 % 100),
                                     std::chrono::day(day % 100)}
      .ok();
}

}  // namespace

std::optional<DeviceId> DeviceId::parse(std::string_view text) {
  if (!is_path_name(text, 128)) return std::nullopt;
  return DeviceId(std::string(text));
}

std::optional<DatedNumber> parse_dated_number(std::string_view prefix, std::string_view text) {
  constexpr std::size_t kDay = 8;
  constexpr std::size_t kNumber = 6;
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  if (text.size() < kDay + 1 + kNumber || text[kDay] != '_') return std::nullopt;
  const auto day_text = text.substr(0, kDay);
  const auto number_text = text.substr(kDay + 1);
  // Accepts only the spelling of str().
  if (number_text.size() > kNumber && number_text.front() == '0') return std::nullopt;
  if (!std::all_of(day_text.begin(), day_text.end(), is_digit)) return std::nullopt;
  if (!std::all_of(number_text.begin(), number_text.end(), is_digit)) return std::nullopt;
  const auto day = parse_decimal<std::int32_t>(day_text);
  const auto number = parse_decimal<std::int64_t>(number_text);
  if (!day || !number || *number < 1 || !is_date(*day)) return std::nullopt;
  return DatedNumber{*day, *number};
}

std::optional<TaskId> TaskId::parse(std::string_view text) {
  const auto parts = parse_dated_number("OTA_", text);
  return parts ? std::optional{TaskId{parts->day, parts->number}} : std::nullopt;
}

std::string TaskId::str() const { return fmt::format("OTA_{:08}_{:06}", day, number); }

bool valid_hardware(std::string_view text) { return text.empty() || is_name(text, 64); }

bool valid_key_name(std::string_view text) {
  constexpr std::array<std::string_view, 4> kBuiltIn{"anonymous", "device", "engine", "otad"};
  const auto is_text = [text](std::string_view name) { return iequals(name, text); };
  return is_path_name(text, 64) && std::none_of(kBuiltIn.begin(), kBuiltIn.end(), is_text);
}

bool valid_channel(std::string_view text) { return is_channel_name(text); }

}  // namespace ota
