// One image of the store: its open file and which of its blocks were checked.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ota/domain/chunks.hpp"
#include "ota/firmware/store.hpp"

namespace ota::firmware {

/// The layout whose digests are computed at upload and used to verify blocks.
inline constexpr std::uint32_t kBlockBytes = 512u * 1024u;

class StoredImage;

/// What an image needs of the store that keeps it. Thread-safe.
class ImageKeeper {
 public:
  virtual ~ImageKeeper() = default;
  /// Calls `step` on a disk thread again and again, with other jobs in between, until it answers false. A step should
  /// take no longer than some 50 ms. False where too many jobs wait; then it is never called.
  virtual bool in_slices(std::function<bool()> step) = 0;
  /// The store is closing: what takes long should end with Errc::cancelled.
  virtual bool stopping() const noexcept = 0;
  /// The digests of the blocks, from memory, from their sidecar, or of the whole image where its digest is right.
  virtual Result<std::shared_ptr<const Manifest>> block_digests(StoredImage& image) = 0;
  /// Removes a corrupt image, or (Errc::not_found) one whose file is missing, from the store, reports it by the store's
  /// events, and returns Errc::image_damaged.
  virtual Error quarantine(StoredImage& image, const Error& why) = 0;
  /// Whoever reads all of the image is to compute its digests, and hand them to hashed().
  virtual bool unhashed(const Digest& image) const = 0;
  virtual void hashed(const Stored& image) = 0;
};

/// Thread-safe. Must not be checked once the store is gone.
class StoredImage final : public Image, public std::enable_shared_from_this<StoredImage> {
 public:
  StoredImage(const Digest& digest, std::uint64_t size, std::filesystem::path path, ImageKeeper& keeper);
  ~StoredImage() override;
  StoredImage(const StoredImage&) = delete;
  StoredImage& operator=(const StoredImage&) = delete;

  const Digest& digest() const noexcept override { return digest_; }
  std::uint64_t size() const noexcept override { return blocks_.size; }
  /// -1 before open().
  int descriptor() const noexcept override { return descriptor_.load(std::memory_order_acquire); }
  bool checked(std::uint64_t offset, std::uint64_t length) const noexcept override;
  void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) override;
  void invalidate(std::uint64_t offset, std::uint64_t length) noexcept override;

  const ChunkGrid& blocks() const noexcept { return blocks_; }
  /// Opens the file where that was not done yet. Errc::not_found where it is gone.
  Result<void> open();
  /// Reads a block into `buffer` and compares its digest. If it matches, marks the block as verified and returns its
  /// bytes. Errc::image_damaged if not, or if it can't be read; the caller then quarantines the image.
  Result<std::span<const char>> verify_block(std::uint32_t index, const Manifest& digests, std::span<char> buffer);
  /// Reads a block without looking at its digest. Errc::image_damaged where the file is too short or can't be read.
  Result<std::span<const char>> read_block(std::uint32_t index, std::span<char> buffer);
  /// Where the file changed since its last check, no block counts as checked from now on. Returns when it last did.
  /// Precondition: open().
  std::int64_t note_changes() noexcept;
  /// Unless the file changed again; `since`: what note_changes() returned before the blocks were read.
  void mark_all_checked(std::int64_t since) noexcept;
  /// From now on no block counts as checked.
  void mark_damaged() noexcept { damaged_.store(true, std::memory_order_release); }
  bool damaged() const noexcept { return damaged_.load(std::memory_order_acquire); }

 private:
  bool is_checked(std::uint32_t block) const noexcept;
  void mark_checked(std::uint32_t block, std::int64_t since) noexcept;
  /// Checks blocks from `next` up to `last`, as many as one slice may; true where some are left.
  Result<bool> check_slice(std::uint32_t& next, std::uint32_t last);

  const Digest digest_;
  const ChunkGrid blocks_;
  const std::filesystem::path path_;
  ImageKeeper& keeper_;
  std::atomic<int> descriptor_{-1};
  std::atomic<bool> damaged_{false};
  std::atomic<std::int64_t> noted_{0};               // the last change of the file when checked_ began to be filled
  std::vector<std::atomic<std::uint64_t>> checked_;  // one bit a block
};

/// A disk thread's own buffer of one block.
std::span<char> block_buffer();

/// How many blocks one slice of long work handles: 16 MiB.
inline constexpr std::uint32_t kSliceBlocks = 32;

}  // namespace ota::firmware
