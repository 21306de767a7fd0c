// The chunk grid of a task and the record of which chunks a device has.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ota {

inline constexpr std::uint32_t kMaxChunks = 65'536;                 ///< a task's (api.md)
inline constexpr std::uint32_t kMaxChunkBytes = 16'384u * 1024u;    ///< 16 MiB (api.md)
inline constexpr std::uint32_t kMinChunkBytes = 512;                ///< what a device may ask for
inline constexpr std::uint32_t kMaxMqttChunkBytes = 1024u * 1024u;  ///< larger chunks go over HTTP only
inline constexpr std::uint32_t kDefaultChunkBytes = 512u * 1024u;

/// Inclusive range of chunk indexes, first <= last.
struct ChunkRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool operator==(const ChunkRange&) const = default;
};
using ChunkRanges = std::vector<ChunkRange>;

/// Chunk `i` is bytes `i*chunk_bytes` up to the next multiple or the end (protocol.md, metadata).
struct ChunkGrid {
  std::uint64_t size = 0;         ///< of the image, > 0
  std::uint32_t chunk_bytes = 0;  ///< > 0

  std::uint32_t count() const noexcept;
  std::uint64_t offset(std::uint32_t index) const noexcept;
  std::uint32_t length(std::uint32_t index) const noexcept;  ///< the last may be shorter; 0 past it
  bool holds(const ChunkRange& range) const noexcept;
  bool operator==(const ChunkGrid&) const = default;
};

/// The grid for an image of `size` bytes with chunks of at most `wanted` bytes (and at most what the device takes):
/// multiples of 512, and never more than kMaxChunks of them, which for a large image makes chunks larger than wanted.
/// Nothing where they would then be larger than the device takes.
std::optional<ChunkGrid> fit_grid(std::uint64_t size, std::uint32_t wanted, std::optional<std::uint32_t> device_max);

/// Half of it for a link that keeps losing chunks; nothing where that is too small, or there were too many.
std::optional<std::uint32_t> halved(const ChunkGrid& grid);

/// One bit a chunk. A value; not thread-safe.
class ChunkBitmap {
 public:
  ChunkBitmap() = default;
  explicit ChunkBitmap(std::uint32_t count);
  /// From `bytes()`; missing bytes are zero, bits past `count` are dropped.
  ChunkBitmap(std::uint32_t count, std::span<const std::uint8_t> bytes);

  std::uint32_t count() const noexcept { return count_; }
  std::uint32_t have() const noexcept { return have_; }
  bool complete() const noexcept { return have_ == count_; }
  /// False for an index past the end, which no chunk has.
  bool test(std::uint32_t index) const noexcept;
  /// Both answer how many bits changed; what lies past the end changes nothing.
  std::uint32_t set(const ChunkRange& range);
  std::uint32_t clear(const ChunkRange& range);
  /// The same on a grid with chunks of half the size, `count` of them.
  ChunkBitmap halved(std::uint32_t count) const;
  /// The zeros, as ranges in order.
  ChunkRanges missing() const;
  /// Bit i is byte i/8, least significant first.
  const std::vector<std::uint8_t>& bytes() const noexcept { return bytes_; }
  bool operator==(const ChunkBitmap&) const = default;

 private:
  std::uint32_t count_ = 0;
  std::uint32_t have_ = 0;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace ota
