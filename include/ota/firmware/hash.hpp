// SHA-256, HMAC, SipHash, base64 and secrets, over OpenSSL: the only place that calls these of its functions.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/digest.hpp"

namespace ota::firmware {

Digest sha256(std::string_view bytes);

/// A running SHA-256. Reusable after finish().
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const char> bytes);
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// What is known of an image once all its bytes were seen.
struct Stored {
  Digest checksum{};
  std::uint64_t size = 0;
  Sha1Digest sha1{};
  Md5Digest md5{};
  bool swupdate = false;  ///< it begins as SWUpdate's images do: a cpio archive whose first file is sw-description
};

/// All digests of an image in one pass. Not reusable.
class ImageHasher {
 public:
  ImageHasher();
  ~ImageHasher();
  ImageHasher(ImageHasher&&) noexcept;
  ImageHasher& operator=(ImageHasher&&) noexcept;
  void update(std::span<const char> bytes);
  Stored finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// RFC 2104. Each thread keeps the last key that it used; `key` is not null.
Digest hmac_sha256(std::string_view key, std::string_view message);

/// SipHash-2-4 of 64 bits: for tables whose keys others choose, who must not find what collides.
std::uint64_t siphash(std::span<const std::uint8_t, 16> key, std::string_view text);

/// Compares in constant time.
bool equal_secrets(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

/// `bytes` from the system's random source.
std::vector<std::uint8_t> random_bytes(std::size_t bytes);

std::string base64(std::span<const std::uint8_t> bytes);
/// Without padding, `-` and `_` (RFC 4648 section 5).
std::string base64url(std::span<const std::uint8_t> bytes);
/// Strict: nothing but what base64() writes.
std::optional<std::vector<std::uint8_t>> parse_base64(std::string_view text);
/// Strict: nothing but what base64url() writes.
std::optional<std::vector<std::uint8_t>> parse_base64url(std::string_view text);

}  // namespace ota::firmware
