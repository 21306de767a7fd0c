// RFC 4648, sections 4 and 5.
#include <algorithm>
#include <array>

#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::span<const std::uint8_t> bytes, std::string_view alphabet) {
  std::string text((bytes.size() * 4 + 2) / 3, '\0');
  char* to = text.data();
  const auto put = [&](unsigned bits, unsigned letters) {
    for (unsigned shift = 18; letters > 0; --letters, shift -= 6) *to++ = alphabet[bits >> shift & 63];
  };
  for (; bytes.size() >= 3; bytes = bytes.subspan(3)) put(bytes[0] << 16 | bytes[1] << 8 | bytes[2], 4);
  if (bytes.size() == 2) put(bytes[0] << 16 | bytes[1] << 8, 3);
  if (bytes.size() == 1) put(bytes[0] << 16, 2);
  return text;
}

}  // namespace

std::string base64(std::span<const std::uint8_t> bytes) {
  auto text = encode(bytes, kAlphabet);
  text.append((4 - text.size() % 4) % 4, '=');
  return text;
}

std::string base64url(std::span<const std::uint8_t> bytes) { return encode(bytes, kUrlAlphabet); }

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
