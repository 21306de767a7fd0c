// What the engine is told of the images in the store.
#pragma once

#include "ota/domain/digest.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::engine {

/// Owned by Engine. Each call becomes a command in its queue, and is kept where the queue is full. Any thread.
class ImageObserver {
 public:
  virtual ~ImageObserver() = default;

  /// The store set an image aside: its open tasks end `image_damaged`.
  virtual void image_damaged(const Digest& image) = 0;
  /// Its file is gone, or there again and right; which of both Images says. Gone: its tasks wait in the queue, devices
  /// that download are sent `cancel` `preempted`. There: firmware marked damaged is good again, tasks take their turn.
  virtual void image_changed(const Digest& image) = 0;
  /// The store computed the digests of an image: firmware that lacks them gets its file.
  virtual void image_hashed(const firmware::Stored& image) = 0;
};

}  // namespace ota::engine
