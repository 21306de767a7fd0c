#include "ota/domain/chunks.hpp"

#include <algorithm>
#include <bit>

namespace ota {

std::uint32_t ChunkGrid::count() const noexcept {
  return static_cast<std::uint32_t>((size + chunk_bytes - 1) / chunk_bytes);
}

std::uint64_t ChunkGrid::offset(std::uint32_t index) const noexcept { return std::uint64_t{index} * chunk_bytes; }

std::uint32_t ChunkGrid::length(std::uint32_t index) const noexcept {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk_bytes, size - std::min(size, offset(index))));
}

bool ChunkGrid::holds(const ChunkRange& range) const noexcept {
  return range.first <= range.last && range.last < count();
}

std::optional<ChunkGrid> fit_grid(std::uint64_t size, std::uint32_t wanted, std::optional<std::uint32_t> device_max) {
  constexpr std::uint64_t kStep = 512;
  std::uint64_t bytes = std::min(wanted, device_max.value_or(kMaxChunkBytes));
  bytes = std::clamp<std::uint64_t>(bytes / kStep * kStep, kMinChunkBytes, kMaxChunkBytes);
  const std::uint64_t least = (size + kMaxChunks - 1) / kMaxChunks;
  bytes = std::max(bytes, (least + kStep - 1) / kStep * kStep);
  if (bytes > std::max(device_max.value_or(kMaxChunkBytes), kMinChunkBytes)) return std::nullopt;
  return ChunkGrid{size, static_cast<std::uint32_t>(bytes)};
}

std::optional<std::uint32_t> halved(const ChunkGrid& grid) {
  constexpr std::uint32_t kSmallest = 16 * 1024;
  const ChunkGrid half{grid.size, grid.chunk_bytes / 2};
  if (grid.chunk_bytes % 1'024 != 0 || half.chunk_bytes < kSmallest || half.count() > kMaxChunks) return {};
  return half.chunk_bytes;
}

ChunkBitmap::ChunkBitmap(std::uint32_t count) : count_(count), bytes_((count + 7) / 8) {}

ChunkBitmap::ChunkBitmap(std::uint32_t count, std::span<const std::uint8_t> bytes) : ChunkBitmap(count) {
  std::copy_n(bytes.begin(), std::min(bytes.size(), bytes_.size()), bytes_.begin());
  if (count % 8 != 0) bytes_.back() &= static_cast<std::uint8_t>((1u << (count % 8)) - 1);
  for (auto byte : bytes_) have_ += static_cast<std::uint32_t>(std::popcount(byte));
}

bool ChunkBitmap::test(std::uint32_t index) const noexcept {
  return index < count_ && ((bytes_[index / 8] >> (index % 8)) & 1u) != 0;
}

std::uint32_t ChunkBitmap::set(const ChunkRange& range) {
  std::uint32_t changed = 0;
  for (std::uint32_t i = range.first; i < count_ && i <= range.last; ++i) {
    if (test(i)) continue;
    bytes_[i / 8] = static_cast<std::uint8_t>(bytes_[i / 8] | (1u << (i % 8)));
    ++changed;
  }
  have_ += changed;
  return changed;
}

std::uint32_t ChunkBitmap::clear(const ChunkRange& range) {
  std::uint32_t changed = 0;
  for (std::uint32_t i = range.first; i < count_ && i <= range.last; ++i) {
    if (!test(i)) continue;
    bytes_[i / 8] = static_cast<std::uint8_t>(bytes_[i / 8] & ~(1u << (i % 8)));
    ++changed;
  }
  have_ -= changed;
  return changed;
}

ChunkRanges ChunkBitmap::missing() const {
  ChunkRanges ranges;
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (test(i)) continue;
    if (!ranges.empty() && ranges.back().last + 1 == i)
      ranges.back().last = i;
    else
      ranges.push_back({i, i});
  }
  return ranges;
}

}  // namespace ota
