// Computes the chunk digests of a layout from an image on disk.
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

/// Recomputes lost digests of an image's blocks: valid if the whole image matches its digest, else Errc::image_damaged.
/// Reads the whole image at once; Errc::cancelled if the store closes meanwhile.
Result<Manifest> rebuild_block_digests(StoredImage& image, const ImageKeeper& keeper);

}  // namespace ota::firmware
