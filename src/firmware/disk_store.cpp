#include "firmware/disk_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "firmware/folder.hpp"
#include "firmware/sidecar.hpp"
#include "firmware/upload_file.hpp"
#include "ota/base/log.hpp"

namespace ota::firmware {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWaitingJobs = 1024;         ///< beyond: Errc::overloaded
constexpr std::size_t kManifestBytes = 64u << 20;  ///< of digests in memory, see ManifestCache
constexpr int kUploads = 16;                       ///< at once; beyond: Errc::overloaded

}  // namespace

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, StoreEvents events) {
  std::error_code error;
  if (options.dir.has_parent_path()) fs::create_directories(options.dir.parent_path(), error);
  if (const auto made = make_folder(options.dir); !made) return made.error();
  if (const auto made = make_folder(temporary_dir_of(options.dir)); !made) return made.error();
  auto lock = lock_folder(options.dir);
  if (!lock) return lock.error();
  for (const auto& name : files_in(temporary_dir_of(options.dir))) remove_file(temporary_dir_of(options.dir) / name);
  return std::unique_ptr<Store>(std::make_unique<DiskStore>(std::move(options), std::move(events), std::move(*lock)));
}

DiskStore::DiskStore(StoreOptions options, StoreEvents events, File lock)
    : options_(std::move(options)),
      temporary_dir_(temporary_dir_of(options_.dir)),
      events_(std::move(events)),
      lock_(std::move(lock)),
      manifests_(kManifestBytes),
      pool_("ota-disk", std::max<std::size_t>(options_.disk_threads, 1), kWaitingJobs) {}

DiskStore::~DiskStore() {
  stopping_.store(true, std::memory_order_release);
  scrubber_.reset();
}

std::shared_ptr<StoredImage> DiskStore::look_up(const Digest& digest) const {
  const MutexLock lock(images_mutex_);
  const auto at = images_.find(digest);
  return at == images_.end() ? nullptr : at->second;
}

bool DiskStore::is_current(const StoredImage& image) const { return look_up(image.digest()).get() == &image; }

void DiskStore::insert(const Digest& digest, std::uint64_t size) {
  auto image = std::make_shared<StoredImage>(digest, size, image_path(options_.dir, digest), *this);
  const MutexLock lock(images_mutex_);
  // The one that is replaced goes after the lock: its destructor closes a file.
  std::swap(images_[digest], image);
  absent_.remove(digest);
}

std::shared_ptr<Image> DiskStore::image(const Digest& digest) const {
  auto image = look_up(digest);
  if (!image || image->damaged()) return nullptr;
  const auto opened = image->open();
  if (opened) return image;
  if (opened.error().code != Errc::not_found) {
    log::error(opened.error().message);
    return nullptr;
  }
  auto* const self = const_cast<DiskStore*>(this);
  static_cast<void>(pool_.post([self, image, why = opened.error()] { self->quarantine(*image, why); }));
  return nullptr;
}

Result<std::unique_ptr<Upload>> DiskStore::begin_upload() {
  // Counted before it is compared, so that two at once can't both take the last place.
  const std::shared_ptr<void> ticket(nullptr, [count = uploads_](void*) { --*count; });
  if (++*uploads_ > kUploads) return Error{Errc::overloaded, "too many uploads at once; try again", {}, 10};
  auto file = File::temporary(temporary_dir_, "upload");
  if (!file) return file.error();
  Publish publish = [this](const fs::path& temporary, const Stored& stored, Manifest blocks) {
    return this->publish(temporary, stored, std::move(blocks));
  };
  return std::unique_ptr<Upload>(
      std::make_unique<UploadFile>(std::move(*file), options_.max_image_bytes, std::move(publish), ticket));
}

Result<std::shared_ptr<Image>> DiskStore::publish(const fs::path& temporary, const Stored& stored, Manifest blocks) {
  const ChunkGrid grid{stored.size, kBlockBytes};
  const auto sidecar = write_sidecar(stored.checksum, grid, blocks);
  if (!sidecar) return sidecar.error();
  const bool was_absent = absent_.contains(stored.checksum);
  {
    const MutexLock lock(changes_);
    // The digests first: an image is never there without them.
    auto done = rename_file(*sidecar, sums_path(options_.dir, stored.checksum, kBlockBytes));
    if (!done) remove_file(*sidecar);
    if (done) done = rename_durably(temporary, image_path(options_.dir, stored.checksum));
    if (!done) {
      if (!look_up(stored.checksum)) {
        remove_file(image_path(options_.dir, stored.checksum));
        remove_file(sums_path(options_.dir, stored.checksum, kBlockBytes));
      }
      return done.error();
    }
    insert(stored.checksum, stored.size);
  }
  manifests_.put({stored.checksum, kBlockBytes}, std::make_shared<const Manifest>(std::move(blocks)));
  if (was_absent && events_.whole) events_.whole(stored.checksum);
  if (auto published = image(stored.checksum)) return published;
  return fail(Errc::server_fault,
              fmt::format("the image {} was stored but can't be opened; see the log", to_checksum(stored.checksum)));
}

Result<fs::path> DiskStore::write_sidecar(const Digest& image, const ChunkGrid& grid, const Manifest& manifest) {
  const auto file = File::temporary(temporary_dir_, "sums");
  if (!file) return file.error();
  auto done = file->write_at(encode_sidecar(image, grid, manifest), 0);
  if (done) done = file->sync();
  if (done) return file->path();
  remove_file(file->path());
  return done.error();
}

std::vector<FileName> DiskStore::files_of(const Digest& image) const {
  std::vector<FileName> files;
  for (const auto& name : files_in(options_.dir)) {
    if (const auto parsed = parse_file_name(name); parsed && parsed->image == image) files.push_back(*parsed);
  }
  return files;
}

void DiskStore::remove(const Digest& digest) {
  std::shared_ptr<StoredImage> gone;  // closes its file after the locks
  {
    const MutexLock lock(changes_);
    {
      const MutexLock map_lock(images_mutex_);
      if (const auto at = images_.find(digest); at != images_.end()) {
        gone = std::move(at->second);
        images_.erase(at);
      }
    }
    absent_.remove(digest);
    for (const auto& file : files_of(digest)) remove_file(options_.dir / to_string(file));
  }
  manifests_.drop(digest);
}

Error DiskStore::quarantine(StoredImage& image, const Error& why) {
  if (why.code == Errc::not_found) return lose(image, why.message);
  image.mark_damaged();
  const auto message = fmt::format("the image {} is corrupted: {}", to_checksum(image.digest()), why.message);
  const auto evidence = damaged_path(options_.dir, image.digest());
  {
    const MutexLock lock(changes_);
    if (!is_current(image)) return fail(Errc::image_damaged, message);
    if (auto done = rename_durably(image_path(options_.dir, image.digest()), evidence); !done)
      log::warn(done.error().message);
    // A file that was found corrupt is read again only after it changed.
    absent_.put(image.digest(), {image.size(), true, {}, mark_of(evidence)});
    const MutexLock map_lock(images_mutex_);
    images_.erase(image.digest());
  }
  log::error(
      fmt::format("{}; it was quarantined as {}; check the disk and upload the image again", message,
                  evidence.string()));
  if (events_.damaged) events_.damaged(image.digest());
  return fail(Errc::image_damaged, message);
}

bool DiskStore::in_slices(std::function<bool()> step) {
  struct Job {
    DiskStore& store;
    std::shared_ptr<std::function<bool()>> step;
    void operator()() const {
      // Where the queue is full or closed, the rest is done in one go.
      while ((*step)()) {
        if (store.pool_.post(*this)) return;
      }
    }
  };
  return pool_.post(Job{*this, std::make_shared<std::function<bool()>>(std::move(step))});
}

void DiskStore::start_scrub() {
  const auto images = [this] {
    std::vector<std::shared_ptr<StoredImage>> all;
    const MutexLock lock(images_mutex_);
    for (const auto& [digest, image] : images_) all.push_back(image);
    return all;
  };
  if (!scrubber_) {
    Scrubber::Pace pace{options_.scrub_every, options_.look_every, options_.scrub_bytes_per_s};
    scrubber_ = std::make_unique<Scrubber>(
        pace, images, [this] { look_again(); }, *this);
  }
}

}  // namespace ota::firmware
