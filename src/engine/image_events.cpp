#include "engine/image_events.hpp"

#include "engine/task_service.hpp"

namespace ota::engine {

void PendingImageEvents::note_damaged(const Digest& image) {
  const MutexLock lock(mutex_);
  noted_.damaged.insert(image);
}

void PendingImageEvents::note_changed(const Digest& image) {
  const MutexLock lock(mutex_);
  noted_.changed[image] = {{}, ++notes_, false};
}

void PendingImageEvents::note_hashed(const firmware::Stored& image) {
  const MutexLock lock(mutex_);
  noted_.hashed[image.checksum] = image;
}

void PendingImageEvents::note_unneeded(const Digest& image) {
  const MutexLock lock(mutex_);
  noted_.unneeded.insert(image);
}

bool PendingImageEvents::take() {
  const MutexLock lock(mutex_);
  taken_ = noted_;
  return !taken_.damaged.empty() || !taken_.changed.empty() || !taken_.hashed.empty() || !taken_.unneeded.empty();
}

void PendingImageEvents::see_to(TaskService& service) {
  for (const auto& image : taken_.damaged) {
    const bool whole_again = service.images().exists(image);
    if (whole_again || on_image_damaged(service, image)) done_.damaged.insert(image);
  }
  for (auto [image, changed] : taken_.changed) {
    changed.finished = on_image_changed(service, image, changed.at);
    done_.changed[image] = changed;
  }
  for (const auto& [image, stored] : taken_.hashed) on_image_hashed(service, stored);
  done_.hashed = taken_.hashed;
  service.scheduler.schedule();
  for (const auto& image : taken_.unneeded) remove_unneeded(service, image);
  done_.unneeded = taken_.unneeded;
}

void PendingImageEvents::undone() { done_ = {}; }

bool PendingImageEvents::committed() {
  const MutexLock lock(mutex_);
  for (const auto& image : done_.damaged) noted_.damaged.erase(image);
  for (const auto& [image, changed] : done_.changed) {
    const auto at = noted_.changed.find(image);
    if (at == noted_.changed.end() || at->second.note != changed.note) continue;
    at->second = changed;
    if (changed.finished) noted_.changed.erase(at);
  }
  for (const auto& [image, stored] : done_.hashed) noted_.hashed.erase(image);
  for (const auto& image : done_.unneeded) noted_.unneeded.erase(image);
  done_ = {};
  return !noted_.damaged.empty() || !noted_.changed.empty();
}

}  // namespace ota::engine
