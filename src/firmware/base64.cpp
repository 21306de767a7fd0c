// RFC 4648, sections 4 and 5.
#include <algorithm>
#include <array>

#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Into text that is long enough. Every download's head has one, so three octets at a time, without a loop in the loop.
void encode(std::span<const std::uint8_t> bytes, std::string_view alphabet, std::string& text) {
  const char* const letters = alphabet.data();
  char* to = text.data();
  const std::uint8_t* from = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 3; left -= 3, from += 3, to += 4) {
    const auto bits = static_cast<unsigned>(from[0] << 16 | from[1] << 8 | from[2]);
    to[0] = letters[bits >> 18];
    to[1] = letters[bits >> 12 & 63];
    to[2] = letters[bits >> 6 & 63];
    to[3] = letters[bits & 63];
  }
  if (left == 0) return;
  const auto bits = static_cast<unsigned>(from[0] << 16 | (left == 2 ? from[1] << 8 : 0));
  to[0] = letters[bits >> 18];
  to[1] = letters[bits >> 12 & 63];
  if (left == 2) to[2] = letters[bits >> 6 & 63];
}

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() + 2) / 3 * 4, '=');
  encode(bytes, kAlphabet, text);
  return text;
}

std::string base64url(std::span<const std::uint8_t> bytes) {
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  encode(bytes, kUrlAlphabet, text);
  return text;
}

std::optional<std::vector<std::uint8_t>> parse_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(text.size() * 3 / 4);
  unsigned bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<unsigned>(value)) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::uint8_t>(bits >> held));
    }
  }
  // One text for each value: what is left over must be zeros.
  if ((bits & ((1u << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace ota::firmware
