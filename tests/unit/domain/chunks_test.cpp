#include "ota/domain/chunks.hpp"

#include <gtest/gtest.h>

#include <random>

namespace ota {
namespace {

TEST(ChunkGrid, CoversTheImageExactly) {
  for (std::uint64_t size : {1ull, 511ull, 512ull, 513ull, 2'048'000ull, (4ull << 30) + 1}) {
    for (std::uint32_t bytes : {512u, 524'288u, 16'777'216u}) {
      const ChunkGrid grid{size, bytes};
      if ((size + bytes - 1) / bytes > kMaxChunks) continue;
      std::uint64_t sum = 0;
      for (std::uint32_t i = 0; i < grid.count(); ++i) {
        EXPECT_EQ(grid.offset(i), sum);
        EXPECT_GT(grid.length(i), 0u);
        sum += grid.length(i);
      }
      EXPECT_EQ(sum, size);
    }
  }
}

TEST(ChunkGrid, HoldsWhatLiesInside) {
  const ChunkGrid grid{2'048'000, 524'288};
  ASSERT_EQ(grid.count(), 4u);
  EXPECT_TRUE(grid.holds({0, 3}));
  EXPECT_FALSE(grid.holds({3, 4}));
  EXPECT_FALSE(grid.holds({2, 1}));
}

TEST(FitGrid, TakesTheSmallerWish) {
  EXPECT_EQ(fit_grid(10'000'000, 524'288, {}).value().chunk_bytes, 524'288u);
  EXPECT_EQ(fit_grid(10'000'000, 524'288, 65'536).value().chunk_bytes, 65'536u);
  EXPECT_EQ(fit_grid(10'000'000, 524'288, 1'000).value().chunk_bytes, 512u);
  EXPECT_EQ(fit_grid(10'000'000, 1'024, 65'536).value().chunk_bytes, 1'024u);
}

TEST(FitGrid, NeverMakesTooManyChunks) {
  for (std::uint64_t size : {1ull << 20, 1ull << 30, 4ull << 30, 100ull << 30, 1ull << 40}) {
    const auto grid = fit_grid(size, 512, {}).value();
    EXPECT_LE(grid.count(), kMaxChunks) << size;
    EXPECT_EQ(grid.chunk_bytes % 512, 0u);
  }
}

TEST(FitGrid, KeepsToWhatTheDeviceTakes) {
  constexpr std::uint64_t kMost = 512ull * kMaxChunks;
  EXPECT_EQ(fit_grid(kMost, 524'288, 512).value().count(), kMaxChunks);
  EXPECT_FALSE(fit_grid(kMost + 1, 524'288, 512)) << "one chunk too many, or each too large";
  EXPECT_FALSE(fit_grid(kMost + 1, 524'288, 1'023)) << "chunks are multiples of 512";
  EXPECT_EQ(fit_grid(kMost + 1, 524'288, 1'024).value().chunk_bytes, 1'024u);
  EXPECT_EQ(fit_grid(kMost + 1, 512, {}).value().chunk_bytes, 1'024u) << "an operator's wish gives way";
  EXPECT_EQ(fit_grid(1ull << 40, 524'288, {}).value().chunk_bytes, kMaxChunkBytes);
}

// A bitmap against a plain vector of flags.
TEST(ChunkBitmap, BehavesAsASetOfIndexes) {
  std::mt19937 random{20'261'122};
  for (int round = 0; round < 200; ++round) {
    const auto count = static_cast<std::uint32_t>(1 + random() % 100);
    ChunkBitmap bitmap{count};
    std::vector<bool> model(count);
    for (int step = 0; step < 50; ++step) {
      auto a = static_cast<std::uint32_t>(random() % count);
      auto b = static_cast<std::uint32_t>(random() % count);
      const ChunkRange range{std::min(a, b), std::max(a, b)};
      const bool on = random() % 2;
      std::uint32_t changes = 0;
      for (auto i = range.first; i <= range.last; ++i) {
        changes += model[i] != on;
        model[i] = on;
      }
      EXPECT_EQ(on ? bitmap.set(range) : bitmap.clear(range), changes);
    }
    std::vector<bool> rebuilt(count, true);
    std::uint32_t end_of_last = 0;
    bool first = true;
    for (const auto& range : bitmap.missing()) {
      EXPECT_LE(range.first, range.last);
      if (!first) {
        EXPECT_GT(range.first, end_of_last + 1) << "ranges that touch are one";
      }
      first = false;
      end_of_last = range.last;
      for (auto i = range.first; i <= range.last; ++i) rebuilt[i] = false;
    }
    EXPECT_EQ(rebuilt, model);
    EXPECT_EQ(bitmap.have(), static_cast<std::uint32_t>(std::count(model.begin(), model.end(), true)));
    EXPECT_EQ((ChunkBitmap{count, bitmap.bytes()}), bitmap);
  }
}

TEST(ChunkBitmap, DropsBitsPastItsEnd) {
  const std::vector<std::uint8_t> bytes(4, 0xff);
  const ChunkBitmap bitmap{11, bytes};
  EXPECT_EQ(bitmap.have(), 11u);
  EXPECT_TRUE(bitmap.complete());
  EXPECT_TRUE(bitmap.missing().empty());
}

TEST(ChunkBitmap, HoldsNothingPastItsEnd) {
  for (const std::uint32_t count : {0u, 1u, 7u, 8u, 64u}) {
    ChunkBitmap bitmap{count};
    const auto untouched = bitmap;
    for (const std::uint32_t past : {count, count + 1, 65'535u, 0xffff'ffffu}) {
      EXPECT_FALSE(bitmap.test(past)) << count << " " << past;
      EXPECT_EQ(bitmap.set({past, 0xffff'ffff}), 0u);
      EXPECT_EQ(bitmap.clear({past, 0xffff'ffff}), 0u);
      EXPECT_EQ(bitmap, untouched);
    }
    EXPECT_EQ(bitmap.set({0, 0xffff'ffff}), count) << "what lies inside counts";
    EXPECT_TRUE(bitmap.complete());
    EXPECT_EQ(bitmap.clear({0, 0xffff'ffff}), count);
    EXPECT_EQ(bitmap, untouched);
  }
}

TEST(ChunkGrid, HasNoBytesPastItsEnd) {
  const ChunkGrid grid{1'000, 512};
  EXPECT_EQ(grid.length(1), 488u);
  for (const std::uint32_t past : {2u, 3u, 0xffff'ffffu}) EXPECT_EQ(grid.length(past), 0u) << past;
}

TEST(Halved, StopsAtTheFloorAndAtTheMostChunks) {
  EXPECT_EQ(halved({5 * 65'536 + 100, 65'536}), 32'768u);
  EXPECT_EQ(halved({1'000'000, 32 * 1'024}), 16u * 1'024);
  EXPECT_EQ(halved({1'000'000, 16 * 1'024}), std::nullopt);
  EXPECT_EQ(halved({1'000'000, 65'536 + 512}), std::nullopt) << "halves must be multiples of 512";
  EXPECT_EQ(halved({std::uint64_t{kMaxChunks} * 65'536, 65'536}), std::nullopt);
}

}  // namespace
}  // namespace ota
