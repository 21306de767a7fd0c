// Images on disk: uploads, digests, open files, detection of corruption.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"
#include "ota/domain/digest.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::firmware {

/// An open image. Every block (512 KiB) is verified against the digest from its upload before it is served: at its
/// first use after the start or after a change of its file, and again by the scrub. Thread-safe.
class Image {
 public:
  virtual ~Image() = default;
  virtual const Digest& digest() const noexcept = 0;
  virtual std::uint64_t size() const noexcept = 0;
  virtual int descriptor() const noexcept = 0;
  virtual bool checked(std::uint64_t offset, std::uint64_t length) const noexcept = 0;
  /// On a disk thread; then `done` there. Errc::image_damaged; Errc::cancelled while the store closes. At once:
  /// Errc::overloaded; Errc::malformed for bytes that are not inside. Not to be called once the store is gone.
  virtual void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) = 0;
  /// Bytes of this range were wrong: its blocks are unverified until check() has read them again.
  virtual void invalidate(std::uint64_t offset, std::uint64_t length) noexcept = 0;
};

/// One upload in progress: a temporary file and the digests of its content. Not thread-safe; its calls block on disk
/// I/O. If it is destroyed without commit(), it leaves no file.
class Upload {
 public:
  virtual ~Upload() = default;
  /// Errc::too_large, Errc::disk_full, Errc::server_fault.
  virtual Result<void> write(std::span<const char> bytes) = 0;
  /// Digests and size of the content; ends the writes. Errc::malformed for an empty image.
  virtual Result<Stored> finish() = 0;
  /// After finish(): syncs, renames the file to its digest, syncs the folder, adds the image to the store. Repairs a
  /// corrupt image with the same content.
  virtual Result<std::shared_ptr<Image>> commit() = 0;
};

struct StoreOptions {
  std::filesystem::path dir;
  std::uint64_t max_image_bytes = 4ull << 30;
  std::chrono::hours scrub_every{24};  ///< interval at which every image is read again
  std::uint64_t scrub_bytes_per_s = 32u << 20;
  std::chrono::milliseconds look_every{5'000};  ///< interval of checks for absent images, at least a second
  std::size_t disk_threads = 2;
};

/// Called on a disk thread or the scrub's thread, after the store has handled the event.
struct StoreEvents {
  std::function<void(const Digest&)> damaged;  ///< found corrupt, and quarantined
  std::function<void(const Digest&)> missing;  ///< its file is gone: its folder may have been unmounted
  std::function<void(const Digest&)> whole;    ///< a damaged or missing image is intact again
  std::function<void(const Stored&)> hashed;   ///< the scrub read an image that is KnownImage::unhashed
};

/// An image in the catalogue.
struct KnownImage {
  Digest checksum{};
  std::uint64_t size = 0;
  bool damaged = false;   ///< it was found corrupt before
  bool unhashed = false;  ///< its SHA-1 and MD5 are not known: the scrub computes them
};

/// What reconcile() could not take.
struct Reconciled {
  std::vector<Digest> missing;  ///< no file, or one of another size
};

/// A file in the folder whose image is not in the catalogue.
struct Orphan {
  std::string name;  ///< `<hex>.img`, or `<hex>.damaged` where it was quarantined
  std::uint64_t size = 0;
  WallTime since{};  ///< when it was written last
};

class Store : public Images {
 public:
  /// Creates a missing folder (0750), removes temporary files of an earlier run's uploads. Errc::in_use if another
  /// store uses the folder.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, StoreEvents events);

  /// Compares the folder with the catalogue, once, before use. No image is removed: files of unknown images are kept
  /// and named in the log. Absent and damaged images are searched from start_scrub() on,
  /// and used again when a file with their digest is there.
  virtual Reconciled reconcile(const std::vector<KnownImage>& known) = 0;
  /// Reads the folder: not on a thread that must not wait. By name.
  virtual std::vector<Orphan> orphans() const = 0;
  /// Reads all of an orphan: its digest is what its name says. Errc::malformed for another name, Errc::not_found,
  /// Errc::image_damaged.
  virtual Result<Stored> examine(const std::string& name) const = 0;

  /// Null where there is none, or it was quarantined as damaged. No I/O but the first open.
  virtual std::shared_ptr<Image> image(const Digest& digest) const = 0;
  bool exists(const Digest& digest) const override { return image(digest) != nullptr; }
  /// Errc::overloaded beyond 16 at once. Must not be committed once the store is gone.
  virtual Result<std::unique_ptr<Upload>> begin_upload() = 0;
  /// Runs `job` on a disk thread; false if too many wait.
  virtual bool on_disk_thread(std::function<void()> job) = 0;

  /// Starts the scrub in the background.
  virtual void start_scrub() = 0;
  /// Free bytes of the file system that holds the images.
  virtual Result<std::uint64_t> free_bytes() const = 0;
};

}  // namespace ota::firmware
