#include "mqtt/outbox.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

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
  EXPECT_EQ(outbox.connection_lost(true).in_flight, 3u);
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{3})) << "alone: it may be why the connection broke";
  EXPECT_TRUE(outbox.delivered(3));
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{5}));
}

TEST(Outbox, SendsAgainAllAtOnceWhereNoMessageCanBeTheCause) {
  Outbox outbox(10, 1000);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(outbox.push("t", "p", 1));
  outbox.take(2);
  const auto lost = outbox.connection_lost(false);
  EXPECT_EQ(lost.in_flight, 0u);
  EXPECT_FALSE(outbox.in_doubt());
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(Outbox, SuspectsGoAloneBeforeWhatIsNewer) {
  Outbox outbox(10, 1000);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(outbox.push("t", "p", 1));
  outbox.take(2);
  EXPECT_EQ(outbox.connection_lost(true).alone, "") << "two were on their way";
  EXPECT_TRUE(outbox.in_doubt());
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{1}));
  EXPECT_FALSE(outbox.can_take(10));
  EXPECT_TRUE(outbox.take(10).empty()) << "nothing beside a suspect";
  outbox.delivered(1);
  EXPECT_TRUE(outbox.can_take(10));
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{2}));
  outbox.delivered(2);
  EXPECT_FALSE(outbox.in_doubt());
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{3, 4}));
}

TEST(Outbox, WhatWasAloneAtTwoBreaksIsGivenUpAndOthersGoBeforeItsSecondTry) {
  Outbox outbox(10, 1000);
  ASSERT_TRUE(outbox.push("bad", "p", 1));
  outbox.take(10);
  auto lost = outbox.connection_lost(true);
  EXPECT_EQ(lost.alone, "bad");
  EXPECT_FALSE(lost.victim);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(outbox.push("good", "p", 1));
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{2, 3})) << "all that came before the next connection";
  for (std::uint64_t id : {2, 3}) outbox.delivered(id);
  ASSERT_TRUE(outbox.push("newer", "p", 1));
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{1}));
  EXPECT_TRUE(outbox.take(10).empty());
  lost = outbox.connection_lost(true);
  ASSERT_TRUE(lost.victim);
  EXPECT_EQ(lost.victim->topic, "bad");
  EXPECT_EQ(outbox.size(), 1u);
  EXPECT_FALSE(outbox.in_doubt());
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{4}));
}

TEST(Outbox, AnInnocentOneAccusedByChanceIsDelivered) {
  Outbox outbox(10, 1000);
  ASSERT_TRUE(outbox.push("bad", "p", 1));
  outbox.take(10);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(outbox.push("good", "p", 1));
  outbox.connection_lost(true);
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{2, 3}));
  ASSERT_TRUE(outbox.push("newer", "p", 1));
  EXPECT_FALSE(outbox.can_take(10));
  outbox.delivered(2);
  EXPECT_TRUE(outbox.take(10).empty());
  outbox.delivered(3);
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{1}));
  outbox.delivered(1);
  EXPECT_FALSE(outbox.in_doubt()) << "it was innocent";
  EXPECT_EQ(ids(outbox.take(10)), (std::vector<std::uint64_t>{4}));
}

TEST(Outbox, SeveralBadOnesAllGo) {
  Outbox outbox(100, 10'000);
  std::vector<std::string> bad{"bad3", "bad7", "bad8"};
  for (int i = 0; i < 10; ++i) {
    const bool is_bad = i == 3 || i == 7 || i == 8;
    ASSERT_TRUE(outbox.push((is_bad ? "bad" : "good") + std::to_string(i), "p", 1));
  }
  std::vector<std::string> dropped;
  int breaks = 0;
  std::size_t delivered = 0;
  while (outbox.size() > 0 && breaks < 20) {
    const auto batch = outbox.take(10);
    ASSERT_FALSE(batch.empty());
    for (const auto& message : batch) {
      if (message.topic.starts_with("bad")) {
        ++breaks;
        if (auto lost = outbox.connection_lost(true); lost.victim) dropped.push_back(lost.victim->topic);
        break;
      }
      ASSERT_TRUE(outbox.delivered(message.id));
      ++delivered;
    }
  }
  EXPECT_EQ(delivered, 7u);
  std::sort(dropped.begin(), dropped.end());
  EXPECT_EQ(dropped, bad);
  EXPECT_LE(breaks, 7) << "one with all in flight, and two for each";
}

TEST(Outbox, Qos0BesideItClearsTheOnlyOneInFlight) {
  Outbox outbox(10, 1000);
  ASSERT_TRUE(outbox.push("t", "p", 1));
  ASSERT_TRUE(outbox.push("zero", "p", 0));
  outbox.take(10);
  outbox.delivered(2);
  EXPECT_EQ(outbox.connection_lost(true).alone, "") << "the one at QoS 0 may be the cause";
}

TEST(Outbox, AMessageOfAnotherLaneBesideItClearsTheOnlyOneInFlight) {
  Outbox outbox(10, 1000);
  ASSERT_TRUE(outbox.push("t", "p", 1));
  outbox.take(10);
  EXPECT_EQ(outbox.connection_lost(true, true).alone, "");
  outbox.take(10);
  EXPECT_EQ(outbox.connection_lost(true, false).alone, "t");
}

TEST(Outbox, ATopicAtQos0BeforeABreakIsTriedAtQos1) {
  Outbox outbox(100, 1000);
  const auto send = [&](const std::string& topic) {
    EXPECT_TRUE(outbox.push(topic, "p", 0));
    const auto taken = outbox.take(10);
    EXPECT_EQ(taken.size(), 1u);
    return taken.front();
  };
  for (const auto* topic : {"good", "bad"}) {
    const auto message = send(topic);
    EXPECT_EQ(message.qos, 0);
    outbox.delivered(message.id);  // written, and no more is known
  }
  outbox.connection_lost(true);
  EXPECT_FALSE(outbox.in_doubt()) << "nothing waits";
  const auto good = send("good");
  EXPECT_EQ(good.qos, 1);
  ASSERT_TRUE(outbox.push("good", "p", 0));
  EXPECT_TRUE(outbox.take(10).empty()) << "it goes alone";
  outbox.delivered(good.id);
  outbox.delivered(outbox.take(10).at(0).id);
  const auto again = send("good");
  EXPECT_EQ(again.qos, 0) << "the broker took it";
  outbox.delivered(again.id);

  EXPECT_EQ(send("bad").qos, 1);
  EXPECT_EQ(outbox.connection_lost(true).alone, "") << "the one before it can be the cause";
  ASSERT_TRUE(outbox.push("other", "p", 0));
  ASSERT_TRUE(outbox.push("bad", "copy", 0));
  EXPECT_EQ(outbox.take(10).at(0).topic, "bad");
  EXPECT_EQ(outbox.connection_lost(true).alone, "bad");
  // Newer ones before it, and all are acknowledged, so that it is known what is the cause.
  const auto other = outbox.take(10);
  ASSERT_EQ(other.size(), 1u);
  EXPECT_EQ(other[0].qos, 1);
  outbox.delivered(other[0].id);
  EXPECT_EQ(outbox.take(10).at(0).topic, "bad") << "the copy";
  outbox.connection_lost(true);
  EXPECT_EQ(outbox.take(10).at(0).topic, "bad");
  const auto lost = outbox.connection_lost(true);
  ASSERT_TRUE(lost.victim);
  EXPECT_EQ(lost.victim->topic, "bad");
  EXPECT_EQ(lost.removed, 1u) << "the copy";
  EXPECT_EQ(outbox.size(), 0u);
  EXPECT_EQ(outbox.bytes(), 0u);
  EXPECT_FALSE(outbox.in_doubt());
}

TEST(Outbox, ABreakWithoutBlameChangesNoQos) {
  Outbox outbox(100, 1000);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(outbox.push("t", "p", 0));
    EXPECT_EQ(outbox.take(10).at(0).qos, 0);
    outbox.connection_lost(false);
  }
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
          if (outbox.push(std::to_string(random() % 9), "payload", 1 + static_cast<int>(random() % 2))) ++pushed;
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
            const auto lost = outbox.connection_lost(random() % 2 == 0);
            if (lost.victim) {
              ASSERT_EQ(flying, std::vector<std::uint64_t>{lost.victim->id});
              delivered.push_back(lost.victim->id);
              pushed -= lost.removed;
            }
            flying.clear();
          }
      }
      ASSERT_EQ(outbox.size(), pushed - delivered.size());
      ASSERT_EQ(outbox.in_flight(), flying.size());
    }
    outbox.connection_lost(false);
    while (outbox.can_take(1000)) {
      for (auto id : ids(outbox.take(1000))) {
        ASSERT_TRUE(outbox.delivered(id));
        delivered.push_back(id);
      }
    }
    ASSERT_EQ(delivered.size(), pushed);
    ASSERT_FALSE(outbox.in_doubt());
    ASSERT_EQ(outbox.bytes(), 0u);
  }
}

}  // namespace
}  // namespace ota::mqtt
