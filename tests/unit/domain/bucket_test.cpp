#include "ota/domain/bucket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace ota {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

Task task(TaskState state, bool passed = false) {
  Task made;
  made.rollout = 1;
  made.state = state;
  if (passed) made.passed_tl = Millis{1};
  return made;
}

TEST(BucketOf, BeforeTheGate) {
  for (auto state : {TaskState::queued, TaskState::offered, TaskState::downloading, TaskState::retry_wait})
    EXPECT_EQ(bucket_of(task(state)), Bucket::assigned) << to_string(state);
  EXPECT_EQ(bucket_of(task(TaskState::staged)), Bucket::staged);
  EXPECT_EQ(bucket_of(task(TaskState::failed)), Bucket::undelivered);
  EXPECT_EQ(bucket_of(task(TaskState::cancelled)), Bucket::dropped);
  EXPECT_EQ(bucket_of(task(TaskState::expired)), Bucket::dropped);
}

TEST(BucketOf, ASilentDeviceIsAbsentUntilItHasTheImage) {
  auto parked = task(TaskState::queued);
  parked.parked = true;
  EXPECT_EQ(bucket_of(parked), Bucket::absent);
  auto offline = task(TaskState::queued);
  offline.wait_reason = WaitReason::device_offline;
  EXPECT_EQ(bucket_of(offline), Bucket::absent);
  offline.wait_reason = WaitReason::slot;
  EXPECT_EQ(bucket_of(offline), Bucket::assigned);
  parked.state = TaskState::staged;
  EXPECT_EQ(bucket_of(parked), Bucket::staged);
}

TEST(BucketOf, AfterTheGate) {
  auto installing = task(TaskState::installing, true);
  EXPECT_EQ(bucket_of(installing), Bucket::soaking);
  installing.reported = true;
  EXPECT_EQ(bucket_of(installing), Bucket::soaking) << "what it says early is no proof";
  installing.overdue = true;
  EXPECT_EQ(bucket_of(installing), Bucket::overdue);
  EXPECT_EQ(bucket_of(task(TaskState::succeeded, true)), Bucket::healthy);
  EXPECT_EQ(bucket_of(task(TaskState::failed, true)), Bucket::failed);
  EXPECT_EQ(bucket_of(task(TaskState::cancelled, true)), Bucket::dropped);
  EXPECT_EQ(bucket_of(task(TaskState::expired, true)), Bucket::dropped);
}

TEST(BucketOf, InstalledInAnotherWayIsNoProof) {
  EXPECT_EQ(bucket_of(task(TaskState::succeeded)), Bucket::dropped);
}

TEST(BucketNames, GoThereAndBack) {
  EXPECT_EQ(bucket_names().size(), kBuckets);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const auto bucket = static_cast<Bucket>(i);
    EXPECT_EQ(parse_bucket(to_string(bucket)), bucket);
    EXPECT_EQ(bucket_names()[i], to_string(bucket));
  }
  EXPECT_FALSE(parse_bucket(""));
  EXPECT_FALSE(parse_bucket("Healthy"));
}

TEST(BucketSums, CountTheRightBuckets) {
  BucketCounts counts{};  // each bucket has its own power of ten
  std::int64_t power = 1;
  for (auto& n : counts) {
    n = power;
    power *= 10;
  }
  // dropped, undelivered, failed, healthy, overdue, soaking, staged, absent, assigned
  EXPECT_EQ(members_in(counts), 1'111'101);
  EXPECT_EQ(undecided(counts), 11'101);
  EXPECT_EQ(past_gate(counts), 1'111'000);
}

TEST(Membership, IsThatOfARolloutsTask) {
  auto made = task(TaskState::staged);
  made.from_version = "1.4.0";
  made.contact = ContactClass::hours;
  EXPECT_EQ(membership(made), (Membership{1, "1.4.0", ContactClass::hours, Bucket::staged}));
  made.rollout = 0;
  EXPECT_FALSE(membership(made));
}

TEST(RolloutCounts, CountByVersionAndContact) {
  RolloutCounts counts;
  counts.add({1, "1.4.0", ContactClass::minutes, Bucket::soaking}, 1);
  counts.add({1, "1.4.0", ContactClass::day, Bucket::soaking}, 2);
  counts.add({1, "1.3.2", ContactClass::day, Bucket::healthy}, 4);
  counts.add({1, "1.4.0", ContactClass::day, Bucket::soaking}, -1);
  EXPECT_EQ(counts.of(Bucket::soaking), 2);
  EXPECT_EQ(counts.of(Bucket::healthy), 4);
  EXPECT_EQ(at(counts.of_version("1.4.0"), Bucket::soaking), 2);
  EXPECT_EQ(at(counts.of_version("1.3.2"), Bucket::healthy), 4);
  EXPECT_EQ(counts.of_version("0.1"), BucketCounts{});
  EXPECT_EQ(at(counts.of_contact(ContactClass::day), Bucket::soaking), 1);
  EXPECT_EQ(at(counts.of_contact(ContactClass::minutes), Bucket::soaking), 1);
  EXPECT_EQ(counts.of_contact(ContactClass::hour), BucketCounts{});
  EXPECT_EQ(counts.by_version().size(), 2u);
}

TEST(ContactClass, HasItsEdges) {
  EXPECT_EQ(contact_class(Millis{0}), ContactClass::minutes);
  EXPECT_EQ(contact_class(minutes{5}), ContactClass::minutes);
  EXPECT_EQ(contact_class(minutes{5} + Millis{1}), ContactClass::hour);
  EXPECT_EQ(contact_class(hours{1}), ContactClass::hour);
  EXPECT_EQ(contact_class(hours{1} + Millis{1}), ContactClass::hours);
  EXPECT_EQ(contact_class(hours{6}), ContactClass::hours);
  EXPECT_EQ(contact_class(hours{6} + Millis{1}), ContactClass::day);
  EXPECT_EQ(contact_class(days{400}), ContactClass::day);
  EXPECT_EQ(to_string(ContactClass::minutes), "up to 5 minutes");
  EXPECT_EQ(to_string(ContactClass::day), "more than 6 hours");
}

TEST(UsualGap, IsAMinuteToADay) {
  EXPECT_EQ(usual_gap(Millis{0}), minutes{1});
  EXPECT_EQ(usual_gap(seconds{59}), minutes{1});
  EXPECT_EQ(usual_gap(minutes{7}), minutes{7});
  EXPECT_EQ(usual_gap(days{1}), days{1});
  EXPECT_EQ(usual_gap(days{2}), days{1});
}

TEST(NextGap, OfTheFirstTwoContactsIsTheTimeBetweenThem) {
  EXPECT_EQ(next_gap(Millis{0}, Millis{0}, minutes{10}), minutes{10});
}

TEST(NextGap, StaysWhereContactsAreRegular) {
  for (const Millis gap : {Millis{minutes{1}}, Millis{hours{1}}, Millis{days{1}}}) {
    auto mean = gap;
    for (int i = 1; i < 200; ++i) mean = next_gap(mean, gap * i, gap);
    EXPECT_LE(mean, gap);
    EXPECT_GE(mean, gap - seconds{1});
  }
}

TEST(NextGap, WeighsByTimeSoThatABurstDoesNotHideALongGap) {
  // Once a day, and then 100 messages within 100 seconds: still a device that is away for a day.
  Millis mean = days{1};
  for (int i = 0; i < 100; ++i) mean = next_gap(mean, days{30}, seconds{1});
  EXPECT_GT(mean, hours{23});
}

TEST(NextGap, FollowsANewHabitWithinDays) {
  Millis mean = days{1};
  for (int i = 0; i < 14 * 24 * 60; ++i) mean = next_gap(mean, days{30}, minutes{1});
  EXPECT_LT(mean, hours{1}) << "every minute for two weeks";
  mean = minutes{1};
  for (int i = 0; i < 7; ++i) mean = next_gap(mean, days{30}, days{1});
  EXPECT_GT(mean, hours{18}) << "daily for a week";
}

TEST(NextGap, IgnoresAClockThatStandsOrGoesBack) {
  EXPECT_EQ(next_gap(minutes{5}, hours{1}, Millis{0}), minutes{5});
  EXPECT_EQ(next_gap(minutes{5}, hours{1}, Millis{-1}), minutes{5});
  EXPECT_EQ(next_gap(minutes{5}, Millis{-1}, minutes{1}), minutes{1});
}

}  // namespace
}  // namespace ota
