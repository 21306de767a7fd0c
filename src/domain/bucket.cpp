#include "ota/domain/bucket.hpp"

#include <algorithm>

namespace ota {
namespace {

constexpr std::array<std::string_view, kBuckets> kBucketNames{"assigned", "absent", "staged",      "soaking", "overdue",
                                                              "healthy",  "failed", "undelivered", "dropped"};

}  // namespace

std::string_view to_string(Bucket bucket) { return kBucketNames.at(static_cast<std::size_t>(bucket)); }

std::optional<Bucket> parse_bucket(std::string_view text) {
  const auto found = std::find(kBucketNames.begin(), kBucketNames.end(), text);
  if (found == kBucketNames.end()) return {};
  return static_cast<Bucket>(found - kBucketNames.begin());
}

std::array<std::string_view, kBuckets> bucket_names() { return kBucketNames; }

Bucket bucket_of(const Task& task) {
  switch (task.state) {
    case TaskState::queued:
      return task.parked || task.wait_reason == WaitReason::device_offline ? Bucket::absent : Bucket::assigned;
    case TaskState::staged:
      return Bucket::staged;
    case TaskState::installing:
      return task.overdue ? Bucket::overdue : Bucket::soaking;
    case TaskState::succeeded:
      // Installed in another way, it is no evidence for the firmware.
      return task.passed_tl ? Bucket::healthy : Bucket::dropped;
    case TaskState::failed:
      return task.passed_tl ? Bucket::failed : Bucket::undelivered;
    case TaskState::cancelled:
    case TaskState::expired:
      return Bucket::dropped;
    default:
      // Whose device only polls passed the gate before it had the image.
      if (!task.passed_tl) return Bucket::assigned;
      return task.overdue ? Bucket::overdue : Bucket::soaking;
  }
}

std::optional<Membership> membership(const Task& task) {
  if (task.rollout == 0) return {};
  return Membership{task.rollout, task.from_version, task.contact, bucket_of(task)};
}

void RolloutCounts::add(const Membership& of, std::int64_t n) {
  at(all_, of.bucket) += n;
  at(by_version_[of.from_version], of.bucket) += n;
  at(by_contact_[static_cast<std::size_t>(of.contact)], of.bucket) += n;
}

const BucketCounts& RolloutCounts::of_version(const std::string& from) const {
  static constexpr BucketCounts kNone{};
  const auto found = by_version_.find(from);
  return found == by_version_.end() ? kNone : found->second;
}

}  // namespace ota
