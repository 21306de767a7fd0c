// Where a device stands in a rollout (docs/fleet.md, Buckets), and the counters by which a rollout decides.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ota/domain/contact.hpp"
#include "ota/domain/task.hpp"

namespace ota {

/// Kept as numbers in the database.
enum class Bucket : std::uint8_t {
  assigned,     ///< has its task, and is present
  absent,       ///< its device fell silent before it had the image; it gives its place in the stage back
  staged,       ///< has the verified image, waits at the gate
  soaking,      ///< passed the gate less than `soak_s` ago
  overdue,      ///< passed it longer ago, and was not heard since
  healthy,      ///< runs the version and was heard `soak_s` or more after the gate
  failed,       ///< after the gate
  undelivered,  ///< before the gate: no evidence against the firmware
  dropped       ///< taken out: cancelled, expired, moved, pinned
};
inline constexpr std::size_t kBuckets = 9;
std::string_view to_string(Bucket bucket);
std::optional<Bucket> parse_bucket(std::string_view text);
std::array<std::string_view, kBuckets> bucket_names();

/// The bucket of a rollout's task: a function of what its row says.
Bucket bucket_of(const Task& task);

using BucketCounts = std::array<std::int64_t, kBuckets>;
constexpr std::int64_t& at(BucketCounts& counts, Bucket b) { return counts[static_cast<std::size_t>(b)]; }
constexpr std::int64_t at(const BucketCounts& counts, Bucket b) { return counts[static_cast<std::size_t>(b)]; }

/// Its devices that hold a place in the stage.
constexpr std::int64_t members_in(const BucketCounts& c) {
  return at(c, Bucket::assigned) + at(c, Bucket::staged) + at(c, Bucket::soaking) + at(c, Bucket::overdue) +
         at(c, Bucket::healthy) + at(c, Bucket::failed);
}
/// Those of them that can still become healthy or fail.
constexpr std::int64_t undecided(const BucketCounts& c) {
  return at(c, Bucket::assigned) + at(c, Bucket::staged) + at(c, Bucket::soaking) + at(c, Bucket::overdue);
}
/// Those that were let through the gate.
constexpr std::int64_t past_gate(const BucketCounts& c) {
  return at(c, Bucket::soaking) + at(c, Bucket::overdue) + at(c, Bucket::healthy) + at(c, Bucket::failed);
}

/// Which counter of its rollout a task's device is in.
struct Membership {
  std::int64_t rollout = 0;
  std::string from_version;  ///< the version that it came from; empty: unknown
  ContactClass contact = ContactClass::minutes;
  Bucket bucket = Bucket::assigned;
  auto operator<=>(const Membership&) const = default;
};
/// Nothing where the task is no rollout's.
std::optional<Membership> membership(const Task& task);

/// The counters of one rollout: each device is in exactly one bucket.
class RolloutCounts {
 public:
  void add(const Membership& of, std::int64_t n);
  const BucketCounts& all() const { return all_; }
  const BucketCounts& of_version(const std::string& from) const;
  const BucketCounts& of_contact(ContactClass contact) const { return by_contact_[static_cast<std::size_t>(contact)]; }
  const std::map<std::string, BucketCounts>& by_version() const { return by_version_; }
  std::int64_t of(Bucket bucket) const { return at(all_, bucket); }

 private:
  BucketCounts all_{};
  std::map<std::string, BucketCounts> by_version_;
  std::array<BucketCounts, kContactClasses> by_contact_{};
};

}  // namespace ota
