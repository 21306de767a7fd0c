// The part of the store that finds, builds and keeps the digests of grids.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "firmware/disk_store.hpp"
#include "firmware/folder.hpp"
#include "firmware/manifest_build.hpp"
#include "firmware/sidecar.hpp"
#include "ota/base/log.hpp"

namespace ota::firmware {
namespace {

constexpr std::size_t kWaitingForOne = 4096;  ///< callers that wait for the same grid; beyond: Errc::overloaded
constexpr int kSidecars = 64;                 ///< of one image; digests of further grids are kept in memory only

Error overloaded() { return {Errc::overloaded, "too many disk jobs wait; try again", {}, 1}; }

bool means_damage(Errc code) { return code == Errc::image_damaged || code == Errc::not_found; }

}  // namespace

std::shared_ptr<const Manifest> DiskStore::find(const Digest& image, std::uint32_t chunk_bytes) const {
  return manifests_.find({image, chunk_bytes});
}

void DiskStore::prepare(const Digest& digest, std::uint32_t chunk_bytes, Ready done) {
  const auto image = look_up(digest);
  if (!image) {
    return done(fail(Errc::no_such_firmware, fmt::format("there is no image {}", to_checksum(digest))));
  }
  if (chunk_bytes == 0 || (image->size() - 1) / chunk_bytes >= kMaxChunks) {
    return done(fail(Errc::malformed, fmt::format("chunks of {} bytes would make more than {} of an image of {}",
                                                  chunk_bytes, kMaxChunks, image->size())));
  }
  const GridKey key{digest, chunk_bytes};
  if (auto manifest = manifests_.find(key)) return done(std::move(manifest));
  bool full = false;
  bool first = false;
  {
    const MutexLock lock(waiting_mutex_);
    auto& waiting = waiting_[key];
    first = waiting.empty();
    full = waiting.size() >= kWaitingForOne;
    if (!full) waiting.push_back(done);
  }
  if (full) return done(overloaded());
  if (first) start_build(image, chunk_bytes);
}

void DiskStore::start_build(const std::shared_ptr<StoredImage>& image, std::uint32_t chunk_bytes) {
  const GridKey key{image->digest(), chunk_bytes};
  const ChunkGrid grid{image->size(), chunk_bytes};
  // What an earlier run left, the second time round the digests themselves.
  const auto step = [this, image, key, grid, build = std::shared_ptr<ManifestBuild>()]() mutable {
    if (!build) {
      auto known =
          grid.chunk_bytes == kBlockBytes ? block_digests(*image) : load_sidecar(options_.dir, image->digest(), grid);
      if (known) {
        manifests_.put(key, *known);
        answer(key, known);
        return false;
      }
      if (grid.chunk_bytes != kBlockBytes) {
        if (known.error().code == Errc::image_damaged) log::warn(known.error().message + "; it is computed again");
        build = std::make_shared<ManifestBuild>(image, grid.chunk_bytes, *this);
        return true;
      }
      answer(key, means_damage(known.error().code) ? quarantine(*image, known.error()) : known.error());
      return false;
    }
    const auto more = build->step();
    if (more && *more) return true;
    if (more) {
      answer(key, keep(*image, grid.chunk_bytes, build->finish()));
    } else {
      answer(key, means_damage(more.error().code) ? quarantine(*image, more.error()) : more.error());
    }
    return false;
  };
  if (!in_slices(step)) answer(key, overloaded());
}

Result<std::shared_ptr<const Manifest>> DiskStore::block_digests(StoredImage& image) {
  const GridKey key{image.digest(), kBlockBytes};
  if (auto manifest = manifests_.find(key)) return manifest;
  auto loaded = load_sidecar(options_.dir, image.digest(), image.blocks());
  if (loaded) {
    manifests_.put(key, *loaded);
    return loaded;
  }
  if (!means_damage(loaded.error().code)) return loaded;
  log::warn(fmt::format("{}; the digests of the blocks of {} are computed again", loaded.error().message,
                        to_checksum(image.digest())));
  auto rebuilt = rebuild_block_digests(image, *this);
  if (!rebuilt) return rebuilt.error();
  return keep(image, kBlockBytes, std::move(*rebuilt));
}

Result<std::shared_ptr<const Manifest>> DiskStore::keep(StoredImage& image, std::uint32_t chunk_bytes,
                                                        Manifest manifest) {
  save(image, {image.size(), chunk_bytes}, manifest);
  auto kept = std::make_shared<const Manifest>(std::move(manifest));
  manifests_.put({image.digest(), chunk_bytes}, kept);
  return kept;
}

void DiskStore::save(StoredImage& image, const ChunkGrid& grid, const Manifest& manifest) {
  const auto temporary = write_sidecar(image.digest(), grid, manifest);
  if (!temporary) {
    log::warn(fmt::format("digests are kept in memory only: {}", temporary.error().message));
    return;
  }
  const MutexLock lock(changes_);
  const auto files = files_of(image.digest());
  const auto others = std::count_if(files.begin(), files.end(), [](const auto& f) { return f.kind == FileKind::sums; });
  // An image that was removed meanwhile must leave no file.
  auto done = Result<void>();
  const bool wanted = is_current(image) && (others < kSidecars || grid.chunk_bytes == kBlockBytes);
  if (wanted) done = rename_file(*temporary, sums_path(options_.dir, image.digest(), grid.chunk_bytes));
  if (!done) log::warn(done.error().message);
  if (!wanted || !done) remove_file(*temporary);
}

void DiskStore::answer(const GridKey& key, const Result<std::shared_ptr<const Manifest>>& result) {
  std::vector<Ready> waiting;
  {
    const MutexLock lock(waiting_mutex_);
    const auto at = waiting_.find(key);
    if (at == waiting_.end()) return;
    waiting = std::move(at->second);
    waiting_.erase(at);
  }
  for (const auto& done : waiting) done(result);
}

}  // namespace ota::firmware
