// Which bytes of an image were handed out, for clients that don't fetch whole chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ota/domain/chunks.hpp"

namespace ota {

/// Runs of bytes in chunks that aren't whole yet; they add up over requests, and a chunk whose bytes all went is whole.
/// At most kMaxRuns: beyond that a run that touches none of them is not kept, and counts as fresh each time. A value;
/// not thread-safe.
class ByteCover {
 public:
  static constexpr std::size_t kMaxRuns = 2048;

  struct Added {
    std::uint64_t fresh_bytes = 0;   ///< that hadn't gone before
    std::uint32_t fresh_chunks = 0;  ///< that became whole, and are set in `have` now
  };
  /// Bytes `offset` .. `offset + length` went; what is beyond the image is passed over. `have`: the grid's chunks.
  Added add(const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length, ChunkBitmap& have);
  /// Chunks that are whole by other evidence.
  void drop(std::uint32_t chunk_bytes, const ChunkRange& chunks);
  /// Bytes in the runs.
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::size_t runs() const noexcept { return runs_.size(); }

 private:
  struct Run {
    std::uint64_t begin, end;  // within one chunk
  };
  void add_whole(const ChunkGrid& grid, const ChunkRange& chunks, ChunkBitmap& have, Added& added);
  void add_part(const ChunkGrid& grid, Run part, ChunkBitmap& have, Added& added);
  std::uint64_t erase(std::vector<Run>::iterator from, std::vector<Run>::iterator to);

  std::vector<Run> runs_;  // in order, without overlaps; two of one chunk don't touch
  std::uint64_t bytes_ = 0;
};

}  // namespace ota
