#include "mqtt/bulk_lane.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ota::mqtt {
namespace {

constexpr std::size_t kChunk = 64u << 10;

bool push(
    BulkLane& lane, std::size_t bytes, BulkSent sent = [](bool) {}) {
  return lane.push("g", "t", std::string(bytes - 1, 'x'), std::move(sent));
}

TEST(BulkLane, HandsOutLittleAtATimeInOrder) {
  BulkLane lane;
  EXPECT_FALSE(lane.may_take());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(push(lane, kChunk));
  std::vector<std::uint64_t> taken;
  while (lane.may_take()) taken.push_back(lane.take().id);
  ASSERT_EQ(taken.size(), BulkLane::kUnderWayBytes / kChunk);
  EXPECT_LT(taken[0], taken[1]);
  EXPECT_TRUE(lane.written(taken[0]));
  EXPECT_FALSE(lane.written(taken[0])) << "only once";
  ASSERT_TRUE(lane.may_take());
  EXPECT_EQ(lane.take().id, taken[1] + 1);
  EXPECT_FALSE(lane.may_take());
  EXPECT_EQ(lane.size(), 4u);
}

TEST(BulkLane, LetsOneLargeMessageGoByItself) {
  BulkLane lane;
  ASSERT_TRUE(push(lane, 1u << 20));
  ASSERT_TRUE(push(lane, 1u << 20));
  ASSERT_TRUE(lane.may_take());
  auto first = lane.take();
  EXPECT_NE(first.id & BulkLane::kIdBit, 0u);
  EXPECT_EQ(first.qos, 0);
  EXPECT_FALSE(lane.may_take());
}

TEST(BulkLane, HandsOutFewOfManySmallOnes) {
  BulkLane lane;
  std::size_t count = 0;
  for (; push(lane, 100); ++count) {
  }
  EXPECT_EQ(count, BulkLane::kMaxMessages);
  for (count = 0; lane.may_take(); ++count) lane.take();
  EXPECT_EQ(count, BulkLane::kUnderWayMessages);
}

TEST(BulkLane, IsBoundedInBytesAndTakesAgainWhatWasWritten) {
  BulkLane lane;
  std::size_t count = 0;
  for (; push(lane, kChunk); ++count) {
  }
  EXPECT_EQ(count, BulkLane::kMaxBytes / kChunk);
  auto message = lane.take();
  EXPECT_FALSE(push(lane, kChunk)) << "it still counts";
  EXPECT_TRUE(lane.written(message.id));
  EXPECT_TRUE(push(lane, kChunk));
}

TEST(BulkLane, TellsAllWhenTheConnectionGoes) {
  BulkLane lane;
  int lost = 0;
  for (int i = 0; i < 5; ++i) push(lane, kChunk, [&](bool written) { lost += written ? 0 : 1; });
  auto taken = lane.take();
  for (const auto& told : lane.connection_lost(true).sent) told(false);
  EXPECT_EQ(lost, 5);
  EXPECT_EQ(lane.size(), 0u);
  EXPECT_FALSE(lane.written(taken.id)) << "told already";
  std::size_t count = 0;
  for (; push(lane, kChunk); ++count) {
  }
  EXPECT_EQ(count, BulkLane::kMaxBytes / kChunk);
}

TEST(BulkLane, ASuspectWaitsForAFenceAndNoneFollowsItUntilItsOwn) {
  BulkLane lane;
  const auto add = [&](const std::string& group) { return lane.push(group, group + "/1", "x", [](bool) {}); };
  const auto go = [&] {
    const auto message = lane.take();
    lane.written(message.id);
    return message.topic;
  };
  ASSERT_TRUE(add("a") && lane.may_take());
  go();
  EXPECT_FALSE(lane.wants_fence()) << "nobody is a suspect";
  lane.connection_lost(true);
  EXPECT_FALSE(lane.wants_fence());

  ASSERT_TRUE(add("b") && add("a") && add("b"));
  const auto first = lane.take();
  EXPECT_FALSE(lane.may_take()) << "a suspect comes next";
  EXPECT_FALSE(lane.wants_fence()) << "what is before it isn't written yet";
  lane.written(first.id);
  ASSERT_TRUE(lane.wants_fence());
  lane.fence_sent();
  EXPECT_FALSE(lane.may_take() || lane.wants_fence());
  lane.fence_passed();
  ASSERT_TRUE(lane.may_take());
  EXPECT_EQ(go(), "a/1");
  EXPECT_FALSE(lane.may_take()) << "it goes alone";
  ASSERT_TRUE(lane.wants_fence());
  lane.fence_sent();
  lane.fence_passed();
  ASSERT_TRUE(lane.may_take());
  EXPECT_EQ(go(), "b/1");
  ASSERT_TRUE(add("a"));
  EXPECT_TRUE(lane.may_take()) << "it is cleared";
}

}  // namespace
}  // namespace ota::mqtt
