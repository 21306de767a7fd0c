// Signed download URLs: one authorizes downloads of an image for a task until it expires (device-protocol.md, Chunks).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"

namespace ota::download {

enum class UrlVerdict { good, missing, wrong, expired, unsigned_parameter };

/// What a request for a download is authorized for.
struct UrlGrant {
  TaskId task;
  std::uint32_t chunk_bytes = 0;  ///< the task's chunk layout
  bool own = false;               ///< by the device's own credentials, not by the URL
  bool as_signed = false;         ///< the URL is spelt exactly as it was signed
};

/// HMAC-SHA256 over the image's digest, the chunk size, the task and the time of expiry. Immutable, so thread-safe.
class UrlSigner {
 public:
  /// The first key signs, all are accepted. Without keys every URL is refused.
  explicit UrlSigner(std::vector<std::string> keys);

  /// `bytes=…&task=…&exp=…&sig=…`; `expires` in seconds since 1970, UTC.
  std::string sign(const Digest& image, std::uint32_t chunk_bytes, const TaskId& task, std::int64_t expires) const;

  /// Checks the query of a download, its parameters in any order. `image_hex` is the path's, 64 lower-case digits;
  /// `now` in seconds since 1970. Compares in constant time; allocates only for a URL that its thread hasn't verified
  /// recently. A query without one of the parameters is `missing`, one with a duplicate or malformed parameter is
  /// `wrong`, one with any other parameter is `unsigned_parameter` (each of its values would be another copy in a
  /// shared cache), a valid one from `expires` on is `expired`.
  UrlVerdict verify(std::string_view image_hex, std::string_view query, std::int64_t now, UrlGrant& grant) const;

 private:
  std::vector<std::string> keys_;
  std::uint64_t number_;  ///< unique for each signer, for the threads' caches
};

}  // namespace ota::download
