// Images on disk: ingest, digests, open files, checking for rot.
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
#include "ota/firmware/manifest_provider.hpp"

namespace ota::firmware {

/// An open image. Every block (512 KiB) is checked against the digest taken at upload before its bytes count as good:
/// on first use after start and again by the scrub. Thread-safe.
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
  /// Bytes read from there were wrong: no block of them counts as checked until check() read it anew.
  virtual void invalidate(std::uint64_t offset, std::uint64_t length) noexcept = 0;
};

struct Stored {
  Digest checksum{};
  std::uint64_t size = 0;
};

/// One upload under way: a temporary file and the digests of what came. Not thread-safe; its calls block on the disk.
/// Destroyed without commit() it leaves nothing.
class Upload {
 public:
  virtual ~Upload() = default;
  /// Errc::too_large, Errc::disk_full, Errc::server_fault.
  virtual Result<void> write(std::span<const char> bytes) = 0;
  /// Digest and size of what was written; no more writes. Errc::malformed for an empty image.
  virtual Result<Stored> finish() = 0;
  /// After finish(): synced, renamed to its content's name, folder synced, in the catalogue of images. Heals a damaged
  /// image of the same content.
  virtual Result<std::shared_ptr<Image>> commit() = 0;
};

struct StoreOptions {
  std::filesystem::path dir;
  std::uint64_t max_image_bytes = 4ull << 30;
  std::chrono::hours scrub_every{24};  ///< how often every image is read anew
  std::uint64_t scrub_bytes_per_s = 32u << 20;
  std::chrono::milliseconds look_every{5'000};  ///< how often absent images are looked for, at least a second
  std::size_t disk_threads = 2;
};

/// Called on a disk thread or the scrub's, after the store has acted on it.
struct StoreEvents {
  std::function<void(const Digest&)> damaged;  ///< found rotten, and set aside
  std::function<void(const Digest&)> missing;  ///< its file is gone: its folder may have been unmounted
  std::function<void(const Digest&)> whole;    ///< of those that were damaged or missing: there again, and right
};

/// What the catalogue says of an image.
struct KnownImage {
  Digest checksum{};
  std::uint64_t size = 0;
  bool damaged = false;  ///< it was found rotten before
};

/// What reconcile() could not take.
struct Reconciled {
  std::vector<Digest> missing;  ///< no file
  std::vector<Digest> damaged;  ///< a file of another size; it was set aside
};

/// A file in the folder whose image the catalogue doesn't know.
struct Orphan {
  std::string name;  ///< `<hex>.img`, or `<hex>.damaged` where it was set aside
  std::uint64_t size = 0;
  WallTime since{};  ///< when it was written last
};

class Store : public Images {
 public:
  /// Makes the folder where it is missing (0750), removes what uploads of an earlier run left half-written.
  /// Errc::in_use where another store has it.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, StoreEvents events);

  /// Takes the catalogue's images as the database has them, once, before use. No image is removed: what the catalogue
  /// doesn't know is kept and named in the log. Images that are absent or damaged are looked for from start_scrub() on,
  /// and used again once a file with their digest is there.
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
  /// Runs `job` on a disk thread; false where too many wait.
  virtual bool on_disk_thread(std::function<void()> job) = 0;

  /// Starts the scrub in the background.
  virtual void start_scrub() = 0;
  /// Free bytes of the file system that holds the images.
  virtual Result<std::uint64_t> free_bytes() const = 0;
};

}  // namespace ota::firmware
