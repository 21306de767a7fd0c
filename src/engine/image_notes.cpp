#include "engine/image_notes.hpp"

namespace ota::engine {

void ImageNotes::note_damaged(const Digest& image) {
  std::lock_guard lock(mutex_);
  noted_.damaged.insert(image);
}

void ImageNotes::note_changed(const Digest& image) {
  std::lock_guard lock(mutex_);
  noted_.changed[image] = {{}, ++notes_, false};
}

void ImageNotes::note_unneeded(const Digest& image) {
  std::lock_guard lock(mutex_);
  noted_.unneeded.insert(image);
}

bool ImageNotes::take() {
  std::lock_guard lock(mutex_);
  taken_ = noted_;
  return !taken_.damaged.empty() || !taken_.changed.empty() || !taken_.unneeded.empty();
}

void ImageNotes::see_to(Ledger& ledger) {
  for (const auto& image : taken_.damaged) {
    const bool whole_again = ledger.images().exists(image);
    if (whole_again || on_image_damaged(ledger, image)) done_.damaged.insert(image);
  }
  for (auto [image, changed] : taken_.changed) {
    changed.finished = on_image_changed(ledger, image, changed.at);
    done_.changed[image] = changed;
  }
  ledger.settle();
  for (const auto& image : taken_.unneeded) remove_unneeded(ledger, image);
  done_.unneeded = taken_.unneeded;
}

void ImageNotes::undone() { done_ = {}; }

bool ImageNotes::committed() {
  std::lock_guard lock(mutex_);
  for (const auto& image : done_.damaged) noted_.damaged.erase(image);
  for (const auto& [image, changed] : done_.changed) {
    const auto at = noted_.changed.find(image);
    if (at == noted_.changed.end() || at->second.note != changed.note) continue;
    at->second = changed;
    if (changed.finished) noted_.changed.erase(at);
  }
  for (const auto& image : done_.unneeded) noted_.unneeded.erase(image);
  done_ = {};
  return !noted_.damaged.empty() || !noted_.changed.empty();
}

}  // namespace ota::engine
