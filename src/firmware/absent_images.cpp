#include "firmware/absent_images.hpp"

#include <sys/stat.h>

namespace ota::firmware {

std::optional<FileMark> mark_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return FileMark{status.st_ino, static_cast<std::uint64_t>(status.st_size),
                  status.st_ctim.tv_sec * std::int64_t{1'000'000'000} + status.st_ctim.tv_nsec};
}

void AbsentImages::put(const Digest& image, const AbsentImage& absent) {
  const MutexLock lock(mutex_);
  images_[image] = absent;
  count_.store(images_.size(), std::memory_order_release);
}

void AbsentImages::remove(const Digest& image) {
  const MutexLock lock(mutex_);
  images_.erase(image);
  count_.store(images_.size(), std::memory_order_release);
}

bool AbsentImages::missing(const Digest& image) const {
  if (count_.load(std::memory_order_acquire) == 0) return false;
  const MutexLock lock(mutex_);
  const auto at = images_.find(image);
  return at != images_.end() && !at->second.damaged;
}

bool AbsentImages::contains(const Digest& image) const {
  const MutexLock lock(mutex_);
  return images_.contains(image);
}

std::vector<std::pair<Digest, AbsentImage>> AbsentImages::all() const {
  const MutexLock lock(mutex_);
  return {images_.begin(), images_.end()};
}

}  // namespace ota::firmware
