#include "ota/base/value_forms.hpp"

#include <algorithm>

#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::int64_t kWhole = 10'000;

/// Digits only, without a sign.
std::optional<std::int64_t> parse_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_digit) ? parse_decimal<std::int64_t>(text) : std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_percentage(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const auto dot = text.find('.');
  const auto whole = parse_digits(text.substr(0, dot));
  if (!whole || *whole > 100) return std::nullopt;
  std::int64_t fraction = 0;
  if (dot != std::string_view::npos) {
    const auto digits = text.substr(dot + 1);
    const auto read = digits.size() > 2 ? std::nullopt : parse_digits(digits);
    if (!read) return std::nullopt;
    fraction = digits.size() == 1 ? *read * 10 : *read;
  }
  const auto value = *whole * 100 + fraction;
  return value >= 1 && value <= kWhole ? std::optional{value} : std::nullopt;
}

bool is_channel_name(std::string_view text) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '-'; };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace ota
