// Reads every image again periodically, to find corruption on disk before a device downloads it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "firmware/stored_image.hpp"
#include "ota/base/mutex.hpp"

namespace ota::firmware {

/// Runs from construction to destruction on a thread of its own.
class Scrubber {
 public:
  using Images = std::function<std::vector<std::shared_ptr<StoredImage>>()>;

  struct Pace {
    std::chrono::milliseconds scrub_every;  ///< a pass begins at once and then each so often, at least a second
    std::chrono::milliseconds look_every;   ///< the same for `look`, also during a pass
    std::uint64_t bytes_per_s = 0;          ///< 0 reads as fast as it can
  };

  /// `look` is called on the scrub's thread, to see what became of images that are absent.
  Scrubber(Pace pace, Images images, std::function<void()> look, ImageKeeper& keeper);
  ~Scrubber();
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

 private:
  void run();
  void scrub(StoredImage& image);
  Result<void> scrub_blocks(StoredImage& image);
  /// Looks where that is due.
  void look();
  /// False once the scrubber is to stop. Looks meanwhile.
  bool wait_until(std::chrono::steady_clock::time_point time);

  const Pace pace_;
  const Images images_;
  const std::function<void()> look_;
  ImageKeeper& keeper_;
  Mutex mutex_;
  ConditionVariable wake_;
  bool stopping_ OTA_GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point next_look_{};
  std::thread thread_;
};

}  // namespace ota::firmware
