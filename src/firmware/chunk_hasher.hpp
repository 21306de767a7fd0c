// The digest of each chunk of a layout, from bytes in pieces of any size.
#pragma once

#include <cstdint>
#include <span>

#include "ota/firmware/hash.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::firmware {

/// Not thread-safe.
class ChunkHasher {
 public:
  explicit ChunkHasher(std::uint32_t chunk_bytes) : chunk_bytes_(chunk_bytes) {}

  void update(std::span<const char> bytes);
  /// The last chunk may be shorter; no more update().
  Manifest finish();

 private:
  const std::uint32_t chunk_bytes_;
  std::uint32_t filled_ = 0;  // bytes of the current chunk
  Sha256 hash_;
  Manifest digests_;
};

}  // namespace ota::firmware
