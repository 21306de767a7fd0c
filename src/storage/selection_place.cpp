// The text of a Place: `<span>:<type><value>:<id>`, the value in hexadecimal where it isn't a number.
#include <fmt/format.h>

#include <algorithm>

#include "ota/base/text.hpp"
#include "ota/domain/ids.hpp"
#include "ota/storage/selection.hpp"

namespace ota::storage {
namespace {

constexpr std::size_t kMaxSpans = 4;

template <class Bytes>
std::string hex(const Bytes& bytes) {
  std::string text;
  for (const auto byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::optional<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    std::uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return std::nullopt;
    bytes.push_back(byte);
  }
  return bytes;
}

std::optional<SqlValue> parse_value(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto rest = text.substr(1);
  if (text.front() == 'i') {
    const auto number = parse_decimal<std::int64_t>(rest);
    return number ? std::optional<SqlValue>(*number) : std::nullopt;
  }
  auto bytes = parse_hex(rest);
  if (!bytes || (text.front() != 't' && text.front() != 'b')) return std::nullopt;
  if (text.front() == 'b') return std::move(*bytes);
  std::string value(bytes->begin(), bytes->end());
  return is_utf8(value) ? std::optional<SqlValue>(std::move(value)) : std::nullopt;
}

std::optional<SqlValue> parse_id(std::string_view text, Selects what) {
  if (what == Selects::devices) {
    if (const auto id = DeviceId::parse(text)) return id->str();
    return std::nullopt;
  }
  const auto number = parse_decimal<std::int64_t>(text);
  return number && *number > 0 ? std::optional<SqlValue>(*number) : std::nullopt;
}

}  // namespace

std::string Place::str() const {
  struct {
    std::string operator()(std::int64_t number) const { return fmt::format("i{}", number); }
    std::string operator()(const std::string& text) const { return "t" + hex(text); }
    std::string operator()(const std::vector<std::uint8_t>& bytes) const { return "b" + hex(bytes); }
  } write;
  const auto* text = std::get_if<std::string>(&id);
  return fmt::format("{}:{}:{}", span, std::visit(write, value),
                     text ? *text : std::to_string(std::get<std::int64_t>(id)));
}

std::optional<Place> Place::parse(std::string_view text, Selects what) {
  const auto first = text.find(':');
  const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const auto span = parse_decimal<std::size_t>(text.substr(0, first));
  auto value = parse_value(text.substr(first + 1, second - first - 1));
  auto id = parse_id(text.substr(second + 1), what);
  if (!span || *span >= kMaxSpans || !value || !id) return std::nullopt;
  return Place{*span, std::move(*value), std::move(*id)};
}

}  // namespace ota::storage
