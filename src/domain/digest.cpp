#include "ota/domain/digest.hpp"

namespace ota {
namespace {

constexpr std::string_view kPrefix = "sha256:";

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
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
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = nibble(hex[2 * i]);
    const int low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return digest;
}

std::string to_checksum(const Digest& digest) { return std::string(kPrefix) + to_hex(digest); }

std::optional<Digest> parse_checksum(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return digest_from_hex(text.substr(kPrefix.size()));
}

}  // namespace ota
