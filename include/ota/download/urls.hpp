// Signed download URLs: who holds one may fetch that image for that task until it expires (protocol.md, Chunks).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ota/domain/digest.hpp"
#include "ota/domain/ids.hpp"

namespace ota::download {

enum class UrlVerdict { good, missing, wrong, expired, unsigned_parameter };

/// What a download is let in for.
struct UrlGrant {
  TaskId task;
  std::uint32_t chunk_bytes = 0;  ///< the task's grid
  bool own = false;               ///< by the device's own proof, not by the address
  bool as_signed = false;         ///< the address is spelt as it was signed: one content has one such address
};

/// HMAC-SHA256 over the image's digest, the grid, the task and the time of expiry. Immutable, so thread-safe.
class UrlSigner {
 public:
  /// The first key signs, all are honoured. Without keys nothing is good.
  explicit UrlSigner(std::vector<std::string> keys);

  /// `bytes=…&task=…&exp=…&sig=…`; `expires` in seconds since 1970, UTC.
  std::string sign(const Digest& image, std::uint32_t chunk_bytes, const TaskId& task, std::int64_t expires) const;

  /// Checks the query of a download, its parameters in any order. `image_hex` is the path's, 64 lower-case digits;
  /// `now` in seconds since 1970. Compares in constant time; allocates only for an address that its thread hasn't seen
  /// lately. A query that lacks a parameter is `missing`, one with a parameter twice or malformed is `wrong`, one with
  /// any other parameter is `unsigned_parameter` (each value of it would be one more copy in a shared cache), a good
  /// one from `expires` on is `expired`.
  UrlVerdict verify(std::string_view image_hex, std::string_view query, std::int64_t now, UrlGrant& grant) const;

 private:
  std::vector<std::string> keys_;
  std::uint64_t number_;  ///< of all signers, for what threads remember
};

}  // namespace ota::download
