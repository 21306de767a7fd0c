#include "firmware/manifest_cache.hpp"

namespace ota::firmware {
namespace {

std::size_t size_of(const Manifest& manifest) { return manifest.size() * sizeof(Digest); }

}  // namespace

std::shared_ptr<const Manifest> ManifestCache::find(const GridKey& key) {
  const MutexLock lock(mutex_);
  const auto at = places_.find(key);
  if (at == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, at->second);
  return at->second->second;
}

void ManifestCache::put(const GridKey& key, std::shared_ptr<const Manifest> manifest) {
  const MutexLock lock(mutex_);
  if (const auto at = places_.find(key); at != places_.end()) erase(at);
  bytes_ += size_of(*manifest);
  entries_.emplace_front(key, std::move(manifest));
  places_.emplace(key, entries_.begin());
  while (bytes_ > max_bytes_ && entries_.size() > 1) erase(places_.find(entries_.back().first));
}

void ManifestCache::drop(const Digest& image) {
  const MutexLock lock(mutex_);
  for (auto at = places_.lower_bound({image, 0}); at != places_.end() && at->first.first == image;) erase(at++);
}

std::size_t ManifestCache::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

void ManifestCache::erase(std::map<GridKey, Entries::iterator>::iterator at) {
  bytes_ -= size_of(*at->second->second);
  entries_.erase(at->second);
  places_.erase(at);
}

}  // namespace ota::firmware
