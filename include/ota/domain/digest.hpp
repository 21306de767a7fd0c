// SHA-256 digests as values; computing them is firmware's work.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ota {

using Digest = std::array<std::uint8_t, 32>;

// For clients that don't check SHA-256. Neither resists an attacker: SHA-256 and signatures protect an image.
using Sha1Digest = std::array<std::uint8_t, 20>;
using Md5Digest = std::array<std::uint8_t, 16>;

/// 64 lower-case hex digits, as in the names of files and URLs, where each digest has exactly one spelling.
std::string to_hex(const Digest& digest);
std::optional<Digest> digest_from_hex(std::string_view hex);

/// `sha256:<64 hex>`: written in lower case, read in upper or lower case. Nothing for another prefix or length.
std::string to_checksum(const Digest& digest);
std::optional<Digest> parse_checksum(std::string_view text);

/// Lower-case hex of any bytes.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace ota
