// The part of the store that compares the folder with the catalogue: images that are present, absent, or orphans.
// Nothing here removes an image.
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "firmware/disk_store.hpp"
#include "firmware/folder.hpp"
#include "ota/base/log.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::firmware {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamedInLog = 10;  ///< missing images; more are counted

}  // namespace

Reconciled DiskStore::reconcile(const std::vector<KnownImage>& known) {
  Reconciled found;
  std::set<Digest> seen;
  {
    const MutexLock lock(changes_);
    for (const auto& image : known) {
      if (image.unhashed) note_unhashed(image.checksum);
      if (!seen.insert(image.checksum).second) continue;
      const auto path = image_path(options_.dir, image.checksum);
      const auto file = mark_of(path);
      if (image.damaged) {
        absent_.put(image.checksum, {image.size, true, {}, {}});
      } else if (!file) {
        absent_.put(image.checksum, {image.size, false, {}, {}});
        found.missing.push_back(image.checksum);
      } else if (file->size == image.size && image.size > 0) {
        insert(image.checksum, image.size);
      } else {
        // Perhaps a copy that isn't complete yet, or never became so: nothing is known against the content.
        absent_.put(image.checksum, {image.size, false, {}, {}});
        found.missing.push_back(image.checksum);
        log::error(fmt::format("the image {} has {} bytes instead of {}: is a copy of it incomplete?", path.string(),
                               file->size, image.size));
      }
    }
    remove_lone_digests();
  }
  tell_of_missing(seen.size(), found.missing);
  tell_of_orphans(known.empty());
  return found;
}

void DiskStore::note_unhashed(const Digest& image) {
  const MutexLock lock(images_mutex_);
  unhashed_.insert(image);
}

bool DiskStore::unhashed(const Digest& image) const {
  const MutexLock lock(images_mutex_);
  return unhashed_.contains(image);
}

void DiskStore::hashed(const Stored& image) {
  {
    const MutexLock lock(images_mutex_);
    unhashed_.erase(image.checksum);
  }
  if (events_.hashed) events_.hashed(image);
}

void DiskStore::tell_of_missing(std::size_t known, const std::vector<Digest>& missing) const {
  if (missing.empty()) return;
  if (missing.size() == known)
    log::error(
        fmt::format("none of the {} images of the catalogue is in {}: is its disk mounted, and is "
                    "storage.firmware_dir right? Their tasks wait; each image is used again once it is there",
                    missing.size(), options_.dir.string()));
  for (std::size_t i = 0; i < missing.size() && i < kNamedInLog; ++i)
    log::error(fmt::format("the image {} is missing (image_missing): put it back or upload it again; its tasks wait",
                           image_path(options_.dir, missing[i]).string()));
  if (missing.size() > kNamedInLog)
    log::error(fmt::format("and {} more images are missing", missing.size() - kNamedInLog));
}

void DiskStore::tell_of_orphans(bool empty_catalogue) const {
  const auto unknown = orphans();
  if (unknown.empty()) return;
  log::warn(
      fmt::format("{} images in {} belong to no firmware in the database and are kept ({} …): GET "
                  "/firmware/orphans names them, \"otad firmware adopt\" and \"otad firmware purge\" take or "
                  "remove them{}",
                  unknown.size(), options_.dir.string(), unknown.front().name,
                  empty_catalogue ? "; the database knows no firmware at all: is storage.database right?" : ""));
}

/// Digests of chunks without any image: they can be made again.
void DiskStore::remove_lone_digests() {
  std::set<Digest> with_image;
  const auto names = files_in(options_.dir);
  for (const auto& name : names) {
    if (const auto parsed = parse_file_name(name); parsed && parsed->kind != FileKind::sums)
      with_image.insert(parsed->image);
  }
  for (const auto& name : names) {
    const auto parsed = parse_file_name(name);
    if (!parsed) {
      log::warn(fmt::format("{} is not a file of otad and is ignored", (options_.dir / name).string()));
    } else if (parsed->kind == FileKind::sums && !with_image.contains(parsed->image) && !look_up(parsed->image) &&
               !absent_.contains(parsed->image)) {
      remove_file(options_.dir / name);
    }
  }
}

std::vector<Orphan> DiskStore::orphans() const {
  std::vector<Orphan> found;
  for (const auto& name : files_in(options_.dir)) {
    const auto parsed = parse_file_name(name);
    if (!parsed || parsed->kind == FileKind::sums || look_up(parsed->image) || absent_.contains(parsed->image))
      continue;
    std::error_code error;
    const auto status = mark_of(options_.dir / name);
    const auto written = fs::last_write_time(options_.dir / name, error);
    if (!status || error) continue;  // gone meanwhile
    const auto since = std::chrono::file_clock::to_sys(written);
    found.push_back({name, status->size, WallTime{std::chrono::floor<Millis>(since).time_since_epoch()}});
  }
  std::sort(found.begin(), found.end(), [](const auto& x, const auto& y) { return x.name < y.name; });
  return found;
}

Result<Stored> DiskStore::examine(const std::string& name) const {
  const auto parsed = parse_file_name(name);
  if (!parsed || parsed->kind == FileKind::sums)
    return fail(Errc::malformed, fmt::format("{} is not the name of an image: 64 hex digits and .img", name));
  const auto read = digest_of(options_.dir / name);
  if (!read) return read.error();
  if (read->checksum == parsed->image) return *read;
  return fail(Errc::image_damaged, fmt::format("{} does not have the digest in its name ({}): it is corrupted", name,
                                               to_hex(read->checksum)));
}

Result<Stored> DiskStore::digest_of(const fs::path& path) const {
  const auto file = File::open(path, O_RDONLY | O_NOFOLLOW);
  if (!file) return file.error();
  ImageHasher whole;
  std::uint64_t size = 0;
  const auto buffer = block_buffer();
  for (;;) {
    if (stopping()) return fail(Errc::cancelled, "the image store is closing");
    const auto got = read_at(file->descriptor(), buffer, size, path);
    if (!got) return got.error();
    if (*got == 0) return whole.finish();
    whole.update(buffer.first(*got));
    size += *got;
  }
}

Error DiskStore::lose(StoredImage& image, const std::string& why) {
  image.mark_damaged();
  const auto message = fmt::format("the image {} is missing (image_missing): {}", to_checksum(image.digest()), why);
  {
    const MutexLock lock(changes_);
    if (!is_current(image)) return fail(Errc::image_damaged, message);
    absent_.put(image.digest(), {image.size(), false, {}, {}});
    const MutexLock map_lock(images_mutex_);
    images_.erase(image.digest());
  }
  log::error(message + "; put it back or upload it again, its tasks wait");
  if (events_.missing) events_.missing(image.digest());
  return fail(Errc::image_damaged, message);
}

void DiskStore::look_again() {
  for (const auto& [digest, absent] : absent_.all()) {
    if (stopping()) return;
    auto now = absent;
    if (whole_now(digest, image_path(options_.dir, digest), now.size, now.read_image) ||
        whole_now(digest, damaged_path(options_.dir, digest), now.size, now.read_aside))
      continue;
    if (now.read_image == absent.read_image && now.read_aside == absent.read_aside) continue;
    const MutexLock lock(changes_);
    if (absent_.contains(digest)) absent_.put(digest, now);
  }
}

bool DiskStore::whole_now(const Digest& digest, const fs::path& path, std::uint64_t size,
                          std::optional<FileMark>& read_in_vain) {
  const auto file = mark_of(path);
  if (!file || file->size != size || file == read_in_vain) return false;
  const auto read = digest_of(path);
  if (!read && read.error().code == Errc::cancelled) return false;
  if (!read || read->checksum != digest) {
    read_in_vain = file;
    log::warn(fmt::format("{} does not match its name: {}; it is checked again when it changes",
                          path.string(), read ? "it has a different digest" : read.error().message));
    return false;
  }
  {
    const MutexLock lock(changes_);
    if (!absent_.contains(digest) || mark_of(path) != file) return false;  // uploaded, removed or changed meanwhile
    const auto place = image_path(options_.dir, digest);
    if (path != place) {
      if (const auto done = rename_durably(path, place); !done) {
        log::warn(done.error().message);
        return false;
      }
    }
    insert(digest, size);
  }
  log::info(fmt::format("the image {} is intact and in use again", to_checksum(digest)));
  if (const auto made = make_folder(temporary_dir_); !made) log::warn(made.error().message);
  if (events_.whole) events_.whole(digest);
  return true;
}

}  // namespace ota::firmware
