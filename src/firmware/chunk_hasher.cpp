#include "firmware/chunk_hasher.hpp"

#include <algorithm>
#include <utility>

namespace ota::firmware {

void ChunkHasher::update(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), chunk_bytes_ - filled_));
    hash_.update(piece);
    filled_ += static_cast<std::uint32_t>(piece.size());
    bytes = bytes.subspan(piece.size());
    if (filled_ < chunk_bytes_) continue;
    digests_.push_back(hash_.finish());
    filled_ = 0;
  }
}

Manifest ChunkHasher::finish() {
  if (filled_ > 0) digests_.push_back(hash_.finish());
  filled_ = 0;
  return std::exchange(digests_, {});
}

}  // namespace ota::firmware
