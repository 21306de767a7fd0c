// The chunk layout of a task, and the record of the chunks that a device has.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ota {

inline constexpr std::uint32_t kMaxChunks = 65'536;                 ///< of a task (docs/rest.md, Updates)
inline constexpr std::uint32_t kMaxChunkBytes = 16'384u * 1024u;    ///< 16 MiB (docs/rest.md, Updates)
inline constexpr std::uint32_t kMinChunkBytes = 512;                ///< the smallest that a device may request
inline constexpr std::uint32_t kMaxMqttChunkBytes = 1024u * 1024u;  ///< larger chunks go over HTTP only
inline constexpr std::uint32_t kDefaultChunkBytes = 512u * 1024u;

/// Inclusive range of chunk indexes, first <= last.
struct ChunkRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool operator==(const ChunkRange&) const = default;
};
using ChunkRanges = std::vector<ChunkRange>;

/// The chunk layout: chunk `i` is bytes `i*chunk_bytes` up to the next multiple or the end (metadata in the protocol).
struct ChunkGrid {
  std::uint64_t size = 0;         ///< of the image, > 0
  std::uint32_t chunk_bytes = 0;  ///< > 0

  std::uint32_t count() const noexcept;
  std::uint64_t offset(std::uint32_t index) const noexcept;
  std::uint32_t length(std::uint32_t index) const noexcept;  ///< the last may be shorter; 0 past it
  bool holds(const ChunkRange& range) const noexcept;
  bool operator==(const ChunkGrid&) const = default;
};

/// The layout for an image of `size` bytes with chunks of at most `wanted` bytes and at most the device's limit. Chunk
/// sizes are multiples of 512. There are at most kMaxChunks, so a large image may need larger chunks than `wanted`.
/// Nothing if these would exceed the device's limit.
std::optional<ChunkGrid> fit_grid(std::uint64_t size, std::uint32_t wanted, std::optional<std::uint32_t> device_max);

/// The layout with half the chunk size, for a lossy link; nothing if chunks would be too small or too many.
std::optional<std::uint32_t> halved(const ChunkGrid& grid);

/// One bit for each chunk. A value; not thread-safe.
class ChunkBitmap {
 public:
  ChunkBitmap() = default;
  explicit ChunkBitmap(std::uint32_t count);
  /// From `bytes()`; missing bytes are zero, bits past `count` are dropped.
  ChunkBitmap(std::uint32_t count, std::span<const std::uint8_t> bytes);

  std::uint32_t count() const noexcept { return count_; }
  std::uint32_t have() const noexcept { return have_; }
  bool complete() const noexcept { return have_ == count_; }
  /// False for an index past the end.
  bool test(std::uint32_t index) const noexcept;
  /// Both return the number of changed bits; indexes past the end are ignored.
  std::uint32_t set(const ChunkRange& range);
  std::uint32_t clear(const ChunkRange& range);
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
