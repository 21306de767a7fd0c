// The store on a folder of one file system.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "firmware/absent_images.hpp"
#include "firmware/image_paths.hpp"
#include "firmware/manifest_cache.hpp"
#include "firmware/scrubber.hpp"
#include "firmware/stored_image.hpp"
#include "ota/base/file.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/worker_pool.hpp"
#include "ota/firmware/store.hpp"

namespace ota::firmware {

/// Locks: `changes_` is held while files are renamed or removed, and `images_mutex_` is taken inside it for the map. No
/// lock is held during a callback, `images_mutex_` never during I/O.
class DiskStore final : public Store, public ImageKeeper {
 public:
  using Ready = std::function<void(Result<std::shared_ptr<const Manifest>>)>;

  /// `lock` holds the folder against a second daemon.
  DiskStore(StoreOptions options, StoreEvents events, File lock);
  ~DiskStore() override;

  Reconciled reconcile(const std::vector<KnownImage>& known) override;
  bool missing(const Digest& digest) const override { return absent_.missing(digest); }
  std::vector<Orphan> orphans() const override;
  Result<Stored> examine(const std::string& name) const override;
  std::shared_ptr<Image> image(const Digest& digest) const override;
  Result<std::unique_ptr<Upload>> begin_upload() override;
  bool on_disk_thread(std::function<void()> job) override { return pool_.post(std::move(job)); }
  void remove(const Digest& digest) override;
  void start_scrub() override;
  Result<std::uint64_t> free_bytes() const override { return free_bytes_of(options_.dir); }

  std::shared_ptr<const Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const override;
  void prepare(const Digest& image, std::uint32_t chunk_bytes, Ready done) override;

 private:
  bool in_slices(std::function<bool()> step) override;
  bool stopping() const noexcept override { return stopping_.load(std::memory_order_acquire); }
  Result<std::shared_ptr<const Manifest>> block_digests(StoredImage& image) override;
  Error quarantine(StoredImage& image, const Error& why) override OTA_EXCLUDES(changes_);
  bool unhashed(const Digest& image) const override OTA_EXCLUDES(images_mutex_);
  void hashed(const Stored& image) override OTA_EXCLUDES(images_mutex_);

  std::shared_ptr<StoredImage> look_up(const Digest& digest) const OTA_EXCLUDES(images_mutex_);
  bool is_current(const StoredImage& image) const OTA_REQUIRES(changes_);
  void insert(const Digest& digest, std::uint64_t size) OTA_REQUIRES(changes_);
  void note_unhashed(const Digest& image) OTA_EXCLUDES(images_mutex_);
  void tell_of_missing(std::size_t known, const std::vector<Digest>& missing) const;
  void tell_of_orphans(bool empty_catalogue) const;
  void remove_lone_digests() OTA_REQUIRES(changes_);
  Result<Stored> digest_of(const std::filesystem::path& path) const;
  /// Takes an image whose file is gone out of the store.
  Error lose(StoredImage& image, const std::string& why) OTA_EXCLUDES(changes_);
  /// Checks whether absent images are back. On the scrub's thread.
  void look_again();
  /// The file is that image: then it is in the store again. `read_in_vain` is the file that was read and wasn't.
  bool whole_now(const Digest& digest, const std::filesystem::path& path, std::uint64_t size,
                 std::optional<FileMark>& read_in_vain);
  std::vector<FileName> files_of(const Digest& image) const;
  Result<std::shared_ptr<Image>> publish(const std::filesystem::path& temporary, const Stored& stored, Manifest blocks);
  Result<std::filesystem::path> write_sidecar(const Digest& image, const ChunkGrid& grid, const Manifest& manifest);

  void start_build(const std::shared_ptr<StoredImage>& image, std::uint32_t chunk_bytes);
  Result<std::shared_ptr<const Manifest>> keep(StoredImage& image, std::uint32_t chunk_bytes, Manifest manifest);
  void save(StoredImage& image, const ChunkGrid& grid, const Manifest& manifest);
  void answer(const GridKey& key, const Result<std::shared_ptr<const Manifest>>& result);

  const StoreOptions options_;
  const std::filesystem::path temporary_dir_;
  const StoreEvents events_;
  const File lock_;
  std::atomic<bool> stopping_{false};
  const std::shared_ptr<std::atomic<int>> uploads_ = std::make_shared<std::atomic<int>>(0);

  Mutex changes_ OTA_ACQUIRED_BEFORE(images_mutex_);
  mutable Mutex images_mutex_;
  std::map<Digest, std::shared_ptr<StoredImage>> images_ OTA_GUARDED_BY(images_mutex_);
  std::set<Digest> unhashed_ OTA_GUARDED_BY(images_mutex_);  // KnownImage::unhashed, not read since

  AbsentImages absent_;

  mutable ManifestCache manifests_;
  Mutex waiting_mutex_;
  std::map<GridKey, std::vector<Ready>> waiting_ OTA_GUARDED_BY(waiting_mutex_);  // a build runs for each key

  mutable WorkerPool pool_;
  std::unique_ptr<Scrubber> scrubber_;
};

}  // namespace ota::firmware
