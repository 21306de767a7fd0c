#include "firmware/scrubber.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ota/base/log.hpp"

namespace ota::firmware {
namespace {

using Steady = std::chrono::steady_clock;

void drop_from_page_cache(const StoredImage& image, std::uint32_t block) {
  ::posix_fadvise(image.descriptor(), static_cast<off_t>(image.blocks().offset(block)), kBlockBytes,
                  POSIX_FADV_DONTNEED);
}

}  // namespace

Scrubber::Scrubber(Pace pace, Images images, std::function<void()> look, ImageKeeper& keeper)
    : pace_(pace), images_(std::move(images)), look_(std::move(look)), keeper_(keeper), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "ota-scrub");
}

Scrubber::~Scrubber() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Scrubber::wait_until(Steady::time_point time) {
  for (;;) {
    look();
    const auto next = std::min(time, next_look_);
    const MutexLock lock(mutex_);
    while (!stopping_ && wake_.wait_until(mutex_, next)) continue;
    if (stopping_) return false;
    if (next == time) return true;
  }
}

void Scrubber::look() {
  if (Steady::now() < next_look_) return;
  try {
    look_();
  } catch (const std::exception& e) {
    log::error(std::string("the firmware folder could not be looked at: ") + e.what());
  }
  next_look_ = Steady::now() + std::max<std::chrono::milliseconds>(pace_.look_every, std::chrono::seconds(1));
}

void Scrubber::run() {
  const auto every = std::max<std::chrono::milliseconds>(pace_.scrub_every, std::chrono::seconds(1));
  for (auto next = Steady::now(); wait_until(next); next = std::max(next + every, Steady::now())) {
    try {
      for (const auto& image : images_()) {
        if (!wait_until(Steady::now())) return;
        scrub(*image);
      }
    } catch (const std::exception& e) {
      log::error(std::string("the scrub of stored images ended early and begins anew at its next time: ") + e.what());
    }
  }
}

void Scrubber::scrub(StoredImage& image) {
  const auto done = scrub_blocks(image);
  if (done || image.damaged() || done.error().code == Errc::cancelled) return;
  if (done.error().code == Errc::image_damaged || done.error().code == Errc::not_found) {
    keeper_.quarantine(image, done.error());
  } else {
    log::warn(fmt::format("the scrub skipped the image {}: {}", to_checksum(image.digest()), done.error().message));
  }
}

Result<void> Scrubber::scrub_blocks(StoredImage& image) {
  if (const auto opened = image.open(); !opened) return opened;
  const auto digests = keeper_.block_digests(image);
  if (!digests) return digests.error();
  std::optional<ImageHasher> whole;
  if (keeper_.unhashed(image.digest())) whole.emplace();
  auto next = Steady::now();
  for (std::uint32_t block = 0; block < image.blocks().count() && !image.damaged(); ++block) {
    if (!wait_until(next)) return fail(Errc::cancelled, "the image store is closing");
    // What the kernel holds in memory says nothing about the disk; and a cold image is not to push hot ones out.
    drop_from_page_cache(image, block);
    const auto bytes = image.verify_block(block, **digests, block_buffer());
    if (!bytes) return bytes.error();
    if (whole) whole->update(*bytes);
    drop_from_page_cache(image, block);
    if (pace_.bytes_per_s > 0) {
      next = std::max(next, Steady::now() - std::chrono::seconds(1)) +
             std::chrono::nanoseconds(std::uint64_t{kBlockBytes} * 1'000'000'000 / pace_.bytes_per_s);
    }
  }
  if (whole && !image.damaged()) keeper_.hashed(whole->finish());
  return {};
}

}  // namespace ota::firmware
