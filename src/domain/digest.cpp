#include "ota/domain/digest.hpp"

#include <bit>
#include <cstring>

namespace ota {
namespace {

constexpr std::string_view kPrefix = "sha256:";

constexpr std::string_view kDigits = "0123456789abcdef";

constexpr std::uint64_t kEach = 0x0101010101010101;

/// The octets that eight digits stand for, in the order of the digits; false where one is no digit. All eight at once:
/// every download's address has 64 of them.
bool parse_eight(const char* digits, std::uint8_t* octets) {
  std::uint64_t text = 0;
  std::memcpy(&text, digits, sizeof text);
  if constexpr (std::endian::native == std::endian::big) text = __builtin_bswap64(text);
  const std::uint64_t letters = text >> 6 & kEach;
  const std::uint64_t values = (text & 0x0f * kEach) + 9 * letters;
  // Written back, only what was a digit in lower case is the same.
  const std::uint64_t tens = (values + 6 * kEach) >> 4 & kEach;
  if ((values & 0xf0 * kEach) != 0 || values + '0' * kEach + ('a' - '0' - 10) * tens != text) return false;
  const std::uint64_t pairs = values << 4 | values >> 8;
  for (unsigned i = 0; i < 4; ++i) octets[i] = static_cast<std::uint8_t>(pairs >> 16 * i);
  return true;
}

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
  for (std::size_t i = 0; i < digest.size(); i += 4)
    if (!parse_eight(hex.data() + 2 * i, digest.data() + i)) return std::nullopt;
  return digest;
}

std::string to_checksum(const Digest& digest) { return std::string(kPrefix) + to_hex(digest); }

std::optional<Digest> parse_checksum(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return digest_from_hex(text.substr(kPrefix.size()));
}

}  // namespace ota
