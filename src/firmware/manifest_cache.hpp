// Manifests in memory; the least recently used are evicted first.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>

#include "ota/base/mutex.hpp"
#include "ota/firmware/manifest_provider.hpp"

namespace ota::firmware {

/// Image and chunk_bytes.
using GridKey = std::pair<Digest, std::uint32_t>;

/// Holds at most `max_bytes` of digests, or one manifest where that alone is larger; an evicted one is loaded from
/// its sidecar when it is needed again. Thread-safe; no I/O.
class ManifestCache {
 public:
  explicit ManifestCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  std::shared_ptr<const Manifest> find(const GridKey& key);
  void put(const GridKey& key, std::shared_ptr<const Manifest> manifest);
  /// All layouts of the image.
  void drop(const Digest& image);
  std::size_t bytes() const;

 private:
  using Entry = std::pair<GridKey, std::shared_ptr<const Manifest>>;
  using Entries = std::list<Entry>;
  void erase(std::map<GridKey, Entries::iterator>::iterator at) OTA_REQUIRES(mutex_);

  const std::size_t max_bytes_;
  mutable Mutex mutex_;
  Entries entries_ OTA_GUARDED_BY(mutex_);  // most recently used first
  std::map<GridKey, Entries::iterator> places_ OTA_GUARDED_BY(mutex_);
  std::size_t bytes_ OTA_GUARDED_BY(mutex_) = 0;
};

}  // namespace ota::firmware
