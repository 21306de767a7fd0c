// The partial image: one file of the full size, and which of its chunks are correct.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "ota/base/file.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"

namespace ota::agent {

/// The only record of received chunks are their bytes and digests (in `<file>.digests`), which open() compares. So
/// after a crash of the process or the machine, a chunk counts if and only if it is on disk, and no correct one is
/// downloaded again; if the digests are given, also with another chunk layout. Reading takes a second for each 1 or 2
/// GB. Not thread-safe.
class ImageFile {
 public:
  /// Takes up `path` or creates it, its full size reserved. Without `digests` it goes by those that it kept, and learns
  /// the others as chunks bring them. Errc::disk_full where there is no room.
  static Result<ImageFile> open(const std::filesystem::path& path, ChunkGrid grid, std::vector<Digest> digests);
  static std::filesystem::path digests_file(const std::filesystem::path& file);

  const ChunkBitmap& have() const noexcept { return have_; }
  const ChunkGrid& grid() const noexcept { return grid_; }
  const std::filesystem::path& path() const noexcept { return file_.path(); }
  std::uint64_t bytes() const noexcept;  ///< of the chunks that are here

  /// Whether the digest of each chunk is known by now; else put() needs what came with the chunk.
  bool knows_digests() const noexcept { return unknown_ == 0; }
  /// Writes chunk `index` if it is right; false where its length or digest is not, or the grid has no such chunk.
  /// `came_with` is believed where no digest is known: the image's own says in the end whether all was right.
  Result<bool> put(std::uint32_t index, std::string_view bytes, const std::optional<Digest>& came_with = {});
  /// Counts chunks as missing: they are to be fetched again. What was learned of them is forgotten too. Indexes past
  /// the end change nothing.
  void forget(const ChunkRanges& ranges);
  /// Reads every chunk that counts as here again; answers (and forgets) the wrong ones.
  ChunkRanges recheck();
  /// Of the whole file, after it was synced to disk.
  Result<Digest> digest();

 private:
  ImageFile(File file, ChunkGrid grid, std::vector<Digest> digests);
  bool right_on_disk(std::uint32_t index, std::vector<char>& buffer) const;
  void recall_digests();
  void doubt_digests();
  Result<void> keep_digest(std::uint32_t index, const Digest& digest);

  File file_;
  ChunkGrid grid_;
  std::vector<Digest> digests_;  // all zero: not known
  std::uint32_t unknown_ = 0;
  bool learning_ = false;
  ChunkBitmap have_;
};

/// A synced file's SHA-256.
Result<Digest> file_digest(const std::filesystem::path& file);

}  // namespace ota::agent
