#include "firmware/manifest_build.hpp"

#include <utility>

namespace ota::firmware {
namespace {

Error closing() { return fail(Errc::cancelled, "the image store is closing"); }

}  // namespace

ManifestBuild::ManifestBuild(std::shared_ptr<StoredImage> image, std::uint32_t chunk_bytes, ImageKeeper& keeper)
    : image_(std::move(image)), keeper_(keeper), hasher_(chunk_bytes) {}

Result<bool> ManifestBuild::step() {
  if (keeper_.stopping()) return closing();
  if (const auto opened = image_->open(); !opened) return opened.error();
  const auto digests = keeper_.block_digests(*image_);
  if (!digests) return digests.error();
  const auto count = image_->blocks().count();
  for (std::uint32_t i = 0; i < kSliceBlocks && next_ < count; ++i, ++next_) {
    const auto bytes = image_->verify_block(next_, **digests, block_buffer());
    if (!bytes) return bytes.error();
    hasher_.update(*bytes);
  }
  return next_ < count;
}

Result<Manifest> rebuild_block_digests(StoredImage& image, const ImageKeeper& keeper) {
  if (const auto opened = image.open(); !opened) return opened.error();
  const auto since = image.note_changes();
  Sha256 whole;
  ChunkHasher blocks(kBlockBytes);
  for (std::uint32_t i = 0; i < image.blocks().count(); ++i) {
    if (keeper.stopping()) return closing();
    const auto bytes = image.read_block(i, block_buffer());
    if (!bytes) return bytes.error();
    whole.update(*bytes);
    blocks.update(*bytes);
  }
  if (whole.finish() != image.digest()) {
    return fail(Errc::image_damaged, "it no longer matches its digest, and the digests of its blocks are lost");
  }
  image.mark_all_checked(since);
  return blocks.finish();
}

}  // namespace ota::firmware
