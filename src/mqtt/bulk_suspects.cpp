#include "mqtt/bulk_suspects.hpp"

#include <algorithm>

namespace ota::mqtt {

void BulkSuspects::gone(const std::string& group, const std::string& topic) {
  if (recent_.size() >= kMaxRecent && !recent_.contains(group))
    recent_.erase(std::min_element(recent_.begin(), recent_.end(),
                                   [](const auto& a, const auto& b) { return a.second < b.second; }));
  recent_[group] = ++number_;
  if (!suspects(group)) return;
  alone_ = true;
  alone_topic_ = topic;
}

void BulkSuspects::fence_passed() {
  if (!fencing_) return;
  fencing_ = false;
  if (alone_)
    for (const auto& [group, number] : recent_) suspects_.erase(group);
  alone_ = false;
  recent_.clear();
}

BulkSuspects::Lost BulkSuspects::connection_lost(bool may_blame) {
  Lost lost;
  if (may_blame) {
    lost.unproven = !recent_.empty();
    if (alone_) lost.alone = alone_topic_;
    for (const auto& [group, number] : recent_) {
      suspect(group);
      auto& accused = suspects_[group].accused;
      if (alone_ && accused) lost.cause = group;
      if (alone_) accused = true;
    }
  }
  recent_.clear();
  fencing_ = alone_ = false;
  return lost;
}

void BulkSuspects::suspect(const std::string& group) {
  if (suspects(group)) return;
  if (suspects_.size() >= kMaxSuspects)
    suspects_.erase(std::min_element(suspects_.begin(), suspects_.end(), [](const auto& a, const auto& b) {
      return a.second.number < b.second.number;
    }));
  suspects_.emplace(group, Suspect{false, ++number_});
}

}  // namespace ota::mqtt
