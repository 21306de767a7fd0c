// The image as far as it is here: one file of its full size, and which of its chunks are right.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"

namespace ota::agent {

/// Keeps no record of what arrived beside the bytes themselves: open() finds it out by the chunks' digests. So whatever
/// moment the process or the machine died at, a chunk counts exactly if it is on disk, and no good one is fetched
/// twice, even under another chunk grid. Reading costs a second for each 1 or 2 GB. Not thread-safe.
class ImageFile {
 public:
  /// Takes up `file` or creates it, its full size reserved. Errc::disk_full where there is no room.
  static Result<ImageFile> open(std::filesystem::path file, ChunkGrid grid, std::vector<Digest> digests);
  ImageFile(ImageFile&& other) noexcept;
  ImageFile& operator=(ImageFile&& other) noexcept;
  ~ImageFile();

  const ChunkBitmap& have() const noexcept { return have_; }
  const ChunkGrid& grid() const noexcept { return grid_; }
  const std::filesystem::path& path() const noexcept { return file_; }
  std::uint64_t bytes() const noexcept;  ///< of the chunks that are here

  /// Writes chunk `index` if it is right; false where its length or digest is not.
  Result<bool> put(std::uint32_t index, std::string_view bytes);
  /// Counts chunks as missing: they are to be fetched again.
  void forget(const ChunkRanges& ranges);
  /// Reads every chunk that counts as here again; answers (and forgets) the wrong ones.
  ChunkRanges recheck();
  /// Of the whole file, after it was synced to disk.
  Result<Digest> digest();
  /// The digest that a chunk of this image must have.
  const Digest& wanted(std::uint32_t index) const { return digests_[index]; }

 private:
  ImageFile(int fd, std::filesystem::path file, ChunkGrid grid, std::vector<Digest> digests);
  bool right_on_disk(std::uint32_t index, std::vector<char>& buffer) const;

  int fd_ = -1;
  std::filesystem::path file_;
  ChunkGrid grid_;
  std::vector<Digest> digests_;
  ChunkBitmap have_;
};

/// A synced file's SHA-256.
Result<Digest> file_digest(const std::filesystem::path& file);

}  // namespace ota::agent
