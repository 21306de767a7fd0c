#include "mqtt/bulk_suspects.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace ota::mqtt {
namespace {

/// A connection that ends at the message of a bad group, after some others of what is in its buffers.
struct Line {
  /// Sends one message of each group, in order, with the fences that are needed; false where the connection was lost.
  bool send(const std::vector<std::string>& groups) {
    for (const auto& group : groups) {
      if (barred.contains(group)) continue;
      while (suspects.wants_fence(group))
        if (!fence()) return false;
      EXPECT_TRUE(suspects.may_go(group));
      suspects.gone(group, group + "/1");
      unread.push_back(group);
    }
    while (suspects.wants_fence(""))
      if (!fence()) return false;
    return read();
  }
  bool fence() {
    suspects.fence_sent();
    if (!read()) return false;
    suspects.fence_passed();
    return true;
  }
  bool read() {
    for (const auto& group : unread)
      if (bad.contains(group)) return lose();
    unread.clear();
    return true;
  }
  bool lose() {
    unread.clear();
    ++losses;
    if (const auto lost = suspects.connection_lost(true); !lost.cause.empty()) barred.insert(lost.cause);
    return false;
  }

  BulkSuspects suspects;
  std::set<std::string> bad, barred;
  std::vector<std::string> unread;
  int losses = 0;
};

TEST(BulkSuspects, OneBadGroupIsFoundAtTheThirdLoss) {
  Line line;
  line.bad = {"bad"};
  const std::vector<std::string> all{"a", "b", "bad", "c", "bad", "d"};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(line.send(all));
  EXPECT_EQ(line.barred, line.bad);
  EXPECT_TRUE(line.send(all));
  // After its pause.
  line.barred.clear();
  EXPECT_FALSE(line.send(all));
  EXPECT_EQ(line.barred, line.bad) << "one more loss is enough";
  line.barred.clear();
  line.bad.clear();
  EXPECT_TRUE(line.send(all));
  line.bad = {"bad"};
  EXPECT_FALSE(line.send(all));
  EXPECT_TRUE(line.barred.empty()) << "it was cleared since";
}

TEST(BulkSuspects, SeveralBadOnesAreAllFound) {
  Line line;
  std::vector<std::string> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back("good" + std::to_string(i));
    all.push_back("bad" + std::to_string(i));
    line.bad.insert(all.back());
  }
  while (!line.send(all)) ASSERT_LE(line.losses, 41) << "the first, and two for each";
  EXPECT_EQ(line.barred, line.bad);
}

TEST(BulkSuspects, AnOrdinaryLossBarsNobody) {
  Line line;
  const std::vector<std::string> all{"a", "b", "c"};
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(line.send(all));
    line.lose();
  }
  // Alone by chance, twice, and cleared by a fence between.
  for (int i = 0; i < 2; ++i) {
    line.suspects.gone("a", "a/1");
    EXPECT_EQ(line.suspects.connection_lost(true).alone, "");
    line.suspects.gone("a", "a/1");
    const auto lost = line.suspects.connection_lost(true);
    EXPECT_EQ(lost.alone, "a/1");
    EXPECT_EQ(lost.cause, "");
    EXPECT_TRUE(line.send(all));
  }
  EXPECT_TRUE(line.barred.empty());
}

TEST(BulkSuspects, NobodyIsBlamedWhereNoMessageCanBeTheCause) {
  BulkSuspects suspects;
  for (int i = 0; i < 5; ++i) {
    suspects.gone("a", "a/1");
    const auto lost = suspects.connection_lost(false);
    EXPECT_FALSE(lost.unproven);
    EXPECT_EQ(lost.alone + lost.cause, "");
    EXPECT_FALSE(suspects.wants_fence("a"));
  }
  suspects.gone("a", "a/1");
  EXPECT_TRUE(suspects.connection_lost(true).unproven);
  suspects.gone("a", "a/1");
  EXPECT_EQ(suspects.connection_lost(true).alone, "a/1");
  suspects.gone("a", "a/1");
  EXPECT_EQ(suspects.connection_lost(false).cause, "");
  suspects.gone("a", "a/1");
  EXPECT_EQ(suspects.connection_lost(true).cause, "a");
}

TEST(BulkSuspects, RemembersTheLastGroupsOnly) {
  BulkSuspects suspects;
  const auto group = [](std::size_t i) { return "g" + std::to_string(i); };
  for (std::size_t i = 0; i <= BulkSuspects::kMaxRecent; ++i) suspects.gone(group(i), "t");
  suspects.connection_lost(true);
  suspects.gone(group(0), "t");
  EXPECT_FALSE(suspects.wants_fence("")) << "the first is forgotten";
  EXPECT_TRUE(suspects.wants_fence(group(1)));
  EXPECT_TRUE(suspects.wants_fence(group(BulkSuspects::kMaxRecent)));
}

}  // namespace
}  // namespace ota::mqtt
