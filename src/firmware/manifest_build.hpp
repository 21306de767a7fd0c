// Computes the digests of a grid from an image on disk.
#pragma once

#include <functional>
#include <memory>

#include "firmware/chunk_hasher.hpp"
#include "firmware/stored_image.hpp"

namespace ota::firmware {

/// Reads the image once, each block checked while it passes. One step at a time, on disk threads.
class ManifestBuild {
 public:
  ManifestBuild(std::shared_ptr<StoredImage> image, std::uint32_t chunk_bytes, ImageKeeper& keeper);

  /// Reads on by one slice; true where more is left. Errc::image_damaged (the caller sets it aside), Errc::cancelled.
  Result<bool> step();
  /// After step() answered false.
  Manifest finish() { return hasher_.finish(); }

 private:
  const std::shared_ptr<StoredImage> image_;
  ImageKeeper& keeper_;
  ChunkHasher hasher_;
  std::uint32_t next_ = 0;
};

/// The digests of the blocks of an image that has lost them: right where the whole image still has its own digest, else
/// Errc::image_damaged. Reads all of it at once; Errc::cancelled where the store closes meanwhile.
Result<Manifest> rebuild_block_digests(StoredImage& image, const ImageKeeper& keeper);

}  // namespace ota::firmware
