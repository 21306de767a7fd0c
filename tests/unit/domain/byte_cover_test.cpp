#include "ota/domain/byte_cover.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace ota {
namespace {

constexpr ChunkGrid kGrid{3500, 1000};  // the last chunk has 500 bytes

class Cover : public testing::Test {
 protected:
  /// Fresh bytes.
  std::uint64_t add(std::uint64_t offset, std::uint64_t length) {
    last = cover.add(kGrid, offset, length, have);
    return last.fresh_bytes;
  }
  ChunkBitmap have{kGrid.count()};
  ByteCover cover;
  ByteCover::Added last;
};

TEST_F(Cover, TellsEachChunkOnceWhenItIsWhole) {
  EXPECT_EQ(add(0, 999), 999u);
  EXPECT_EQ(last.fresh_chunks, 0u);
  EXPECT_EQ(cover.bytes(), 999u);
  EXPECT_EQ(add(999, 1), 1u);
  EXPECT_EQ(last.fresh_chunks, 1u);
  EXPECT_TRUE(have.test(0));
  EXPECT_EQ(cover.runs(), 0u);
  EXPECT_EQ(add(1000, 2499), 2499u);
  EXPECT_EQ(last.fresh_chunks, 2u);
  EXPECT_EQ(add(3499, 1), 1u);
  EXPECT_EQ(last.fresh_chunks, 1u) << "the last one is shorter";
  EXPECT_TRUE(have.complete());
  EXPECT_EQ(add(0, 3500), 0u);
  EXPECT_EQ(add(500, 100), 0u);
  EXPECT_EQ(cover.bytes(), 0u);
}

TEST_F(Cover, PartsOfSeveralRequestsAddUp) {
  EXPECT_EQ(add(500, 1000), 1000u);
  EXPECT_EQ(have.have(), 0u) << "neither chunk 0 nor chunk 1 is whole";
  EXPECT_EQ(add(600, 100), 0u);
  EXPECT_EQ(add(400, 200), 100u);
  EXPECT_EQ(add(0, 400), 400u);
  EXPECT_TRUE(have.test(0));
  EXPECT_EQ(add(1400, 2100), 2000u);
  EXPECT_EQ(have.missing(), (ChunkRanges{})) << "500 to 1,499 and 1,400 to the end";
}

TEST_F(Cover, KeepsToTheImage) {
  EXPECT_EQ(add(3500, 10), 0u);
  EXPECT_EQ(add(~0ull, ~0ull), 0u);
  EXPECT_EQ(add(0, 0), 0u);
  EXPECT_EQ(add(3400, ~0ull), 100u);
  EXPECT_EQ(add(3000, 1000), 400u);
  EXPECT_TRUE(have.test(3));
}

TEST_F(Cover, ForgetsWhatIsKnownOtherwise) {
  add(100, 100);
  add(1900, 200);
  cover.drop(kGrid.chunk_bytes, {1, 1});
  EXPECT_EQ(cover.bytes(), 200u);
  EXPECT_EQ(cover.runs(), 2u);
}

TEST(ByteCover, HasABound) {
  const ChunkGrid grid{1 << 20, 1 << 20};
  ChunkBitmap have(1);
  ByteCover cover;
  for (std::uint64_t i = 0; i < ByteCover::kMaxRuns; ++i) EXPECT_EQ(cover.add(grid, 4 * i, 1, have).fresh_bytes, 1u);
  EXPECT_EQ(cover.add(grid, 900'000, 1, have).fresh_bytes, 1u);
  EXPECT_EQ(cover.add(grid, 900'000, 1, have).fresh_bytes, 1u) << "not kept";
  EXPECT_EQ(cover.runs(), ByteCover::kMaxRuns);
  EXPECT_EQ(cover.add(grid, 0, 1, have).fresh_bytes, 0u);
  EXPECT_EQ(cover.add(grid, 1, 3, have).fresh_bytes, 3u) << "what touches a run is";
  EXPECT_EQ(cover.runs(), ByteCover::kMaxRuns - 1);
}

TEST(ByteCover, AgreesWithCountingBytes) {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    const ChunkGrid grid{1 + random() % 5000, static_cast<std::uint32_t>(1 + random() % 700)};
    ChunkBitmap have(grid.count());
    ByteCover cover;
    std::vector<bool> went(grid.size);
    for (int step = 0; step < 40; ++step) {
      const auto first = random() % grid.size;
      const auto length = random() % (step % 2 == 0 ? 50u : 2000u);
      std::uint64_t fresh = 0;
      for (auto at = first; at < std::min(first + length, grid.size); ++at) {
        fresh += went[at] ? 0 : 1;
        went[at] = true;
      }
      const auto had = have.have();
      const auto added = cover.add(grid, first, length, have);
      ASSERT_EQ(added.fresh_bytes, fresh);
      ASSERT_EQ(added.fresh_chunks, have.have() - had);
      std::uint64_t in_parts = 0;
      for (std::uint32_t i = 0; i < grid.count(); ++i) {
        const auto begin = went.begin() + static_cast<std::ptrdiff_t>(grid.offset(i));
        const auto bytes = static_cast<std::uint64_t>(std::count(begin, begin + grid.length(i), true));
        ASSERT_EQ(have.test(i), bytes == grid.length(i)) << i;
        if (!have.test(i)) in_parts += bytes;
      }
      ASSERT_EQ(cover.bytes(), in_parts);
    }
  }
}

}  // namespace
}  // namespace ota
