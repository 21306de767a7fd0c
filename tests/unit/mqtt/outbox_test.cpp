#include "mqtt/outbox.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ota::mqtt {
namespace {

std::vector<std::uint64_t> ids(const std::vector<Outgoing>& messages) {
  std::vector<std::uint64_t> result;
  for (const auto& message : messages) result.push_back(message.id);
  return result;
}

TEST(Outbox, TakesInOrderUpToTheWindow) {
  Outbox outbox(10, 1000);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(outbox.push("t", "p", 1));
  EXPECT_EQ(ids(outbox.take(3)), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(outbox.take(3).empty());
  EXPECT_TRUE(outbox.delivered(2));
  EXPECT_FALSE(outbox.delivered(2));
  EXPECT_EQ(ids(outbox.take(3)), (std::vector<std::uint64_t>{4}));
  EXPECT_EQ(outbox.size(), 4u);
}

TEST(Outbox, SendsAgainInOrderAfterABreakButNotQos0) {
  Outbox outbox(10, 1000);
  for (int qos : {1, 0, 2, 0, 1}) ASSERT_TRUE(outbox.push("t", "p", qos));
  outbox.take(4);
  outbox.delivered(1);
  outbox.reset_in_flight();
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{3, 5}));
}

TEST(Outbox, BoundsMessagesAndBytes) {
  Outbox outbox(2, 10);
  EXPECT_FALSE(outbox.push("t", "0123456789", 1));
  EXPECT_TRUE(outbox.push("t", "012345678", 1));
  EXPECT_FALSE(outbox.push("", "x", 1));
  EXPECT_TRUE(outbox.push("", "", 1));
  EXPECT_FALSE(outbox.push("", "", 1));
  EXPECT_TRUE(outbox.delivered(1));
  EXPECT_EQ(outbox.bytes(), 0u);
  EXPECT_TRUE(outbox.push("t", "012345678", 1));
}

// Any mixture of calls: every message above QoS 0 comes out, in order between breaks, and the counts add up.
TEST(Outbox, LosesNothingInAnyMixture) {
  std::mt19937 random(7);
  for (int run = 0; run < 200; ++run) {
    Outbox outbox(50, 5000);
    std::vector<std::uint64_t> flying, delivered;
    std::uint64_t pushed = 0;
    for (int step = 0; step < 400; ++step) {
      switch (random() % 4) {
        case 0:
          if (outbox.push("t", "payload", 1 + static_cast<int>(random() % 2))) ++pushed;
          break;
        case 1:
          for (auto id : ids(outbox.take(1 + random() % 10))) {
            ASSERT_GT(id, flying.empty() ? 0 : flying.back());
            flying.push_back(id);
          }
          break;
        case 2:
          if (!flying.empty()) {
            auto which = flying.begin() + static_cast<long>(random() % flying.size());
            ASSERT_TRUE(outbox.delivered(*which));
            delivered.push_back(*which);
            flying.erase(which);
          }
          break;
        default:
          if (random() % 10 == 0) {
            outbox.reset_in_flight();
            flying.clear();
          }
      }
      ASSERT_EQ(outbox.size(), pushed - delivered.size());
      ASSERT_EQ(outbox.in_flight(), flying.size());
    }
    outbox.reset_in_flight();
    for (auto id : ids(outbox.take(1000))) {
      ASSERT_TRUE(outbox.delivered(id));
      delivered.push_back(id);
    }
    ASSERT_EQ(delivered.size(), pushed);
    ASSERT_EQ(outbox.bytes(), 0u);
  }
}

}  // namespace
}  // namespace ota::mqtt
