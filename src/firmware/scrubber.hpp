// Reads every image anew, again and again, so that rot on the disk is found before a device asks for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "firmware/stored_image.hpp"

namespace ota::firmware {

/// Runs from construction to destruction on a thread of its own.
class Scrubber {
 public:
  using Images = std::function<std::vector<std::shared_ptr<StoredImage>>()>;

  /// A pass begins at once and then each `every` (at least a second); `bytes_per_s` 0 reads as fast as it can.
  Scrubber(std::chrono::milliseconds every, std::uint64_t bytes_per_s, Images images, ImageKeeper& keeper);
  ~Scrubber();
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

 private:
  void run();
  void scrub(StoredImage& image);
  Result<void> scrub_blocks(StoredImage& image);
  /// False once the scrubber is to stop.
  bool wait_until(std::chrono::steady_clock::time_point time);

  const std::chrono::milliseconds every_;
  const std::uint64_t bytes_per_s_;
  const Images images_;
  ImageKeeper& keeper_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;  // protected by mutex_
  std::thread thread_;
};

}  // namespace ota::firmware
