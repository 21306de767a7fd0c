// Signed addresses that were found good.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ota/download/urls.hpp"

namespace ota::download {

/// What a thread checked: a device fetches all of its chunks by one query, and checking it again costs more than all
/// else that a small range needs. A query of ours ends in its signature, so its place is found by that, before anything
/// is parsed. 64 KiB at most. Not thread-safe: each thread has its own.
class VerifiedUrlCache {
 public:
  static constexpr std::size_t kSignatureChars = 43;  ///< 32 bytes in base64url without padding
  static constexpr std::size_t kLongest = 256;

  struct Address {
    std::uint64_t signer = 0;  ///< 0: none
    std::string hex_and_query;
    std::size_t signature_at = 0;  ///< in it
    UrlGrant grant;
    std::int64_t expires = 0;
  };

  /// Null where it isn't known. Compares the signature in constant time.
  const Address* find(std::uint64_t signer, std::string_view image_hex, std::string_view query);
  /// `signature`: a part of `query`.
  void keep(std::uint64_t signer, std::string_view image_hex, std::string_view query, std::string_view signature,
            const UrlGrant& grant, std::int64_t expires);

 private:
  /// Of this address, or of another that it takes the place of.
  Address& place(std::string_view image_hex, std::string_view query);

  std::array<Address, 256> addresses_;
};

/// The calling thread's.
VerifiedUrlCache& verified_urls();

}  // namespace ota::download
