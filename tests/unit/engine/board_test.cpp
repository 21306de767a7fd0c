#include "ota/engine/board.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/fakes.hpp"

namespace ota::engine {
namespace {

using namespace std::chrono_literals;

class BoardTest : public ::testing::Test {
 protected:
  BoardTest() {
    Transfer transfer;
    transfer.task = TaskId{20261122, 7};
    transfer.device = "gw-1";
    transfer.chunk_bytes = 512;
    transfer.have = ChunkBitmap{8};
    board.open(std::move(transfer));
  }
  std::vector<std::int64_t> began() { return board.began(clock.steady()); }

  test::FakeClock clock;
  TransferBoard board{clock};
  const std::vector<std::int64_t> it{7};
};

TEST_F(BoardTest, WhatBeganToMoveIsToldUntilItIsLookedAt) {
  EXPECT_TRUE(began().empty());
  const auto before = clock.steady();
  clock.advance(50ms);
  board.chunks(7, {0, 0}, Transport::http);
  EXPECT_TRUE(board.began(before).empty()) << "not by then";
  EXPECT_EQ(began(), it);
  EXPECT_EQ(board.collect(7)->fresh, 1u);
  EXPECT_TRUE(began().empty());
  board.chunks(7, {1, 1}, Transport::http);
  EXPECT_TRUE(began().empty()) << "it moves since long";
  EXPECT_EQ(board.changed(), it);
}

TEST_F(BoardTest, AfterAnAttemptItBeginsAnew) {
  board.bytes(7, 100);
  EXPECT_EQ(began(), it);
  board.replace_chunks(7, ChunkBitmap{8}, 512);
  EXPECT_TRUE(began().empty());
  board.bytes(7, 100);
  EXPECT_EQ(began(), it);
}

}  // namespace
}  // namespace ota::engine
