// Which bytes of an image were sent, for clients that don't download whole chunks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ota/domain/chunks.hpp"

namespace ota {

/// Runs of sent bytes in incomplete chunks. They add up over requests. A chunk is complete when all bytes were sent.
/// Beyond kMaxRuns, a run that touches no other is not recorded, and counts as fresh each time. A value; not
/// thread-safe.
class ByteCover {
 public:
  static constexpr std::size_t kMaxRuns = 2048;

  struct Added {
    std::uint64_t fresh_bytes = 0;   ///< sent for the first time
    std::uint32_t fresh_chunks = 0;  ///< became complete, and are now set in `have`
  };
  /// Bytes `offset` .. `offset + length` were sent; bytes past the image are ignored. `have`: the layout's chunks.
  Added add(const ChunkGrid& grid, std::uint64_t offset, std::uint64_t length, ChunkBitmap& have);
  /// Removes the runs of chunks that are complete for another reason.
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
