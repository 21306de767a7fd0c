// The chunk digests of the chunk layouts in use (manifests).
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"

namespace ota::firmware {

/// The digests of a layout's chunks, in order.
using Manifest = std::vector<Digest>;

/// Thread-safe.
class ManifestProvider {
 public:
  virtual ~ManifestProvider() = default;
  /// The manifest where it is in memory; no I/O.
  virtual std::shared_ptr<const Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const = 0;
  /// Loads or computes it on a disk thread; `done` is called there, or at once if it is in memory.
  /// Errc::no_such_firmware, Errc::image_damaged, Errc::overloaded, Errc::malformed for more than kMaxChunks chunks,
  /// Errc::cancelled while the store closes.
  virtual void prepare(const Digest& image, std::uint32_t chunk_bytes,
                       std::function<void(Result<std::shared_ptr<const Manifest>>)> done) = 0;
};

/// Where the images are, as the engine needs to know it: the store, or a test's double. Thread-safe.
class Images : public ManifestProvider {
 public:
  virtual bool exists(const Digest& image) const = 0;
  /// The catalogue has it and its file is not there now: tasks for it wait. Asked often; no I/O.
  virtual bool missing(const Digest& image) const = 0;
  /// Forgets the image, known or orphan, and unlinks its files; downloads under way keep their descriptor.
  virtual void remove(const Digest& image) = 0;
};

}  // namespace ota::firmware
