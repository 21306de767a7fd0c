// The digests of each chunk of each grid in use.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/domain/digest.hpp"

namespace ota::firmware {

/// The digests of a grid's chunks, in order.
using Manifest = std::vector<Digest>;

/// What the engine needs of the store. Thread-safe.
class Grids {
 public:
  virtual ~Grids() = default;
  /// The manifest where it is in memory; no I/O.
  virtual std::shared_ptr<const Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const = 0;
  /// Loads or computes it on a disk thread; `done` is called there, or at once where it is in memory.
  /// Errc::no_such_firmware, Errc::image_damaged, Errc::overloaded, Errc::malformed for more than kMaxChunks chunks,
  /// Errc::cancelled while the store closes.
  virtual void prepare(const Digest& image, std::uint32_t chunk_bytes,
                       std::function<void(Result<std::shared_ptr<const Manifest>>)> done) = 0;
};

}  // namespace ota::firmware
