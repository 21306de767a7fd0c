#include "ota/engine/active_transfers.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/fakes.hpp"

namespace ota::engine {
namespace {

using namespace std::chrono_literals;

class ActiveTransfersTest : public ::testing::Test {
 protected:
  ActiveTransfersTest() {
    Transfer transfer;
    transfer.task = TaskId{20261122, 7};
    transfer.device = "gw-1";
    transfer.chunk_bytes = 512;
    transfer.have = ChunkBitmap{8};
    transfers.open(std::move(transfer));
  }
  std::vector<std::int64_t> began() { return transfers.began(clock.steady()); }

  test::FakeClock clock;
  ActiveTransfers transfers{clock};
  const std::vector<std::int64_t> it{7};
};

TEST_F(ActiveTransfersTest, WhatBeganToMoveIsToldUntilItIsLookedAt) {
  EXPECT_TRUE(began().empty());
  const auto before = clock.steady();
  clock.advance(50ms);
  transfers.chunks(7, {0, 0}, Transport::http);
  EXPECT_TRUE(transfers.began(before).empty()) << "not by then";
  EXPECT_EQ(began(), it);
  EXPECT_EQ(transfers.collect(7)->fresh, 1u);
  EXPECT_TRUE(began().empty());
  transfers.chunks(7, {1, 1}, Transport::http);
  EXPECT_TRUE(began().empty()) << "it moves since long";
  EXPECT_EQ(transfers.changed(), it);
}

TEST_F(ActiveTransfersTest, AfterAnAttemptItBeginsAnew) {
  transfers.bytes(7, 100);
  EXPECT_EQ(began(), it);
  transfers.replace_chunks(7, ChunkBitmap{8}, 512);
  EXPECT_TRUE(began().empty());
  transfers.bytes(7, 100);
  EXPECT_EQ(began(), it);
}

constexpr ChunkGrid kGrid{8 * 512, 512};

TEST_F(ActiveTransfersTest, PartsThatWentAddUpToChunks) {
  transfers.sent(7, kGrid, 100, 300);
  EXPECT_EQ(transfers.view(7)->bytes_partial, 300u);
  EXPECT_EQ(began(), it);
  auto change = *transfers.collect(7);
  EXPECT_EQ(change.bytes_new, 300u);
  EXPECT_EQ(change.fresh, 0u);
  transfers.sent(7, kGrid, 200, 100);
  change = *transfers.collect(7);
  EXPECT_EQ(change.bytes_new, 0u) << "these went before";
  EXPECT_EQ(change.bytes_fresh, 100u);
  EXPECT_EQ(change.bytes_since_new, 100u);
  transfers.sent(7, kGrid, 0, 512);
  change = *transfers.collect(7);
  EXPECT_EQ(change.fresh, 1u);
  EXPECT_EQ(change.bytes_new, 212u);
  EXPECT_EQ(change.bytes_since_new, 0u);
  EXPECT_EQ(change.transport, Transport::http);
  EXPECT_EQ(transfers.view(7)->bytes_partial, 0u);
  EXPECT_EQ(transfers.view(7)->bytes_sent, 912u);
}

TEST_F(ActiveTransfersTest, PartsOfAnotherGridOrAttemptCountAsBytesAlone) {
  transfers.sent(7, {8 * 512, 1024}, 0, 2048);
  EXPECT_EQ(transfers.collect(7)->have.have(), 0u);
  transfers.sent(7, kGrid, 0, 100);
  transfers.replace_chunks(7, ChunkBitmap{8}, 512);
  EXPECT_EQ(transfers.view(7)->bytes_partial, 0u);
  transfers.sent(7, kGrid, 1024, 100);
  ProgressReport report;
  report.task = TaskId{20261122, 7};
  report.chunks = {{2, 2}};
  EXPECT_TRUE(transfers.report("gw-1", {}, report));
  EXPECT_EQ(transfers.view(7)->bytes_partial, 0u) << "the device has that chunk";
}

TEST_F(ActiveTransfersTest, WhoIsSentMoreThanItsAllowanceIsMarked) {
  transfers.set_allowance(7, 10'000);
  transfers.sent(7, kGrid, 0, 4096);
  transfers.bytes(7, 5'904);
  EXPECT_FALSE(transfers.active(7)->repeats);
  transfers.sent(7, kGrid, 0, 1);
  EXPECT_TRUE(transfers.active(7)->repeats);
  transfers.set_allowance(7, 20'000);  // another attempt
  EXPECT_FALSE(transfers.active(7)->repeats);
}

TEST_F(ActiveTransfersTest, AllTransfersAreSeenAtOnce) {
  transfers.bytes(7, 5);
  const auto views = transfers.views();
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views.at(7).bytes_sent, 5u);
}

}  // namespace
}  // namespace ota::engine
