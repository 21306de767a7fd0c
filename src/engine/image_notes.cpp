#include "engine/image_notes.hpp"

#include "engine/commands.hpp"

namespace ota::engine {

void ImageNotes::note_damaged(const Digest& image) {
  std::lock_guard lock(mutex_);
  noted_.damaged.insert(image);
}

void ImageNotes::note_unneeded(const Digest& image) {
  std::lock_guard lock(mutex_);
  noted_.unneeded.insert(image);
}

bool ImageNotes::take() {
  std::lock_guard lock(mutex_);
  taken_ = noted_;
  return !taken_.damaged.empty() || !taken_.unneeded.empty();
}

void ImageNotes::see_to(Ledger& ledger) {
  for (const auto& image : taken_.damaged) {
    const bool whole_again = ledger.images().exists(image);
    if (whole_again || on_image_damaged(ledger, image)) done_.damaged.insert(image);
  }
  ledger.settle();
  for (const auto& image : taken_.unneeded) remove_unneeded(ledger, image);
  done_.unneeded = taken_.unneeded;
}

void ImageNotes::undone() { done_ = {}; }

bool ImageNotes::committed() {
  std::lock_guard lock(mutex_);
  for (const auto& image : done_.damaged) noted_.damaged.erase(image);
  for (const auto& image : done_.unneeded) noted_.unneeded.erase(image);
  done_ = {};
  return !noted_.damaged.empty();
}

}  // namespace ota::engine
