#include "ota/domain/digest.hpp"

#include <array>

#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::string_view kPrefix = "sha256:";

constexpr std::string_view kDigits = "0123456789abcdef";

/// The value of each character; 16 if it is not a digit.
constexpr auto kNibbles = [] {
  std::array<std::uint8_t, 256> nibbles{};
  nibbles.fill(16);
  for (std::size_t i = 0; i < kDigits.size(); ++i)
    nibbles[static_cast<unsigned char>(kDigits[i])] = static_cast<std::uint8_t>(i);
  return nibbles;
}();

unsigned nibble(char c) { return kNibbles[static_cast<unsigned char>(c)]; }

}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
  std::string hex(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    hex[2 * i] = kDigits[bytes[i] >> 4];
    hex[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return hex;
}

std::string to_hex(const Digest& digest) { return to_hex(std::span<const std::uint8_t>(digest)); }

std::optional<Digest> digest_from_hex(std::string_view hex) {
  Digest digest{};
  if (hex.size() != digest.size() * 2) return std::nullopt;
  unsigned all = 0;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const unsigned high = nibble(hex[2 * i]);
    const unsigned low = nibble(hex[2 * i + 1]);
    all |= high | low;
    digest[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (all > 15) return std::nullopt;
  return digest;
}

std::string to_checksum(const Digest& digest) { return std::string(kPrefix) + to_hex(digest); }

std::optional<Digest> parse_checksum(std::string_view text) {
  std::string lower(text.substr(0, kPrefix.size() + 2 * Digest{}.size() + 1));
  for (char& c : lower) c = to_lower(c);
  if (!lower.starts_with(kPrefix)) return std::nullopt;
  return digest_from_hex(std::string_view(lower).substr(kPrefix.size()));
}

}  // namespace ota
