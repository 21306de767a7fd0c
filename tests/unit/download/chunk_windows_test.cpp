#include "download/chunk_windows.hpp"

#include <gtest/gtest.h>

#include <map>
#include <vector>

namespace ota::download {
namespace {

constexpr std::uint64_t kImage = 64u << 20;

WantedChunk of(const std::string& device, std::uint32_t chunk_bytes = 64u << 10, std::int64_t task = 1) {
  return {*DeviceId::parse(device), {20261122, task}, Digest{}, {kImage, chunk_bytes}, 0};
}

/// No cap: all may leave.
class FreeWindows : public ChunkWindows {
 public:
  bool take(const WantedChunk& wanted, const ChunkRanges& ranges) {
    const bool taken = ChunkWindows::take(wanted, ranges);
    while (const auto chunk = next_to_allow()) allow(*chunk);
    return taken;
  }
};

std::vector<std::uint32_t> drain(ChunkWindows& windows) {
  std::vector<std::uint32_t> indexes;
  while (auto chunk = windows.next()) indexes.push_back(chunk->index);
  return indexes;
}

TEST(ChunkWindows, TakeTheFirstThatFit) {
  FreeWindows windows;
  ASSERT_TRUE(windows.take(of("a"), {{5, 6}, {100, 200}}));
  EXPECT_EQ(windows.waiting(), ChunkWindows::kMaxBytes / (64u << 10));
  const auto sent = drain(windows);
  EXPECT_EQ(sent.front(), 5u);
  EXPECT_EQ(sent[2], 100u);
  EXPECT_EQ(sent.back(), 113u);
  ASSERT_TRUE(windows.take(of("b", 1024), {{0, 1000}}));
  EXPECT_EQ(drain(windows).size(), ChunkWindows::kMaxChunks);
  ASSERT_TRUE(windows.take(of("c", kMaxMqttChunkBytes), {{0, 10}}));
  EXPECT_EQ(drain(windows), std::vector<std::uint32_t>{0}) << "the largest chunk is a window by itself";
}

TEST(ChunkWindows, CountAChunkUntilItLeft) {
  FreeWindows windows;
  const auto large = of("a", 512u << 10);
  ASSERT_TRUE(windows.take(large, {{0, 9}}));
  const auto first = windows.next();
  ASSERT_TRUE(first);
  ASSERT_TRUE(windows.take(large, {{0, 9}}));
  EXPECT_EQ(windows.waiting(), 1u) << "what was asked for before is on its way, and there is no room for more";
  windows.done(*first);
  windows.done(*first);
  ASSERT_TRUE(windows.take(large, {{0, 9}}));
  EXPECT_EQ(drain(windows), (std::vector<std::uint32_t>{1, 0})) << "asked for again, it is sent again";
}

TEST(ChunkWindows, ForgetDevicesThatWaitForNothing) {
  FreeWindows windows;
  ASSERT_TRUE(windows.take(of("a"), {{0, 0}}));
  ASSERT_TRUE(windows.take(of("b"), {{0, 0}}));
  EXPECT_EQ(windows.devices(), 2u);
  while (auto chunk = windows.next()) windows.done(*chunk);
  EXPECT_EQ(windows.devices(), 0u);
  EXPECT_FALSE(windows.next());
}

TEST(ChunkWindows, HoldSoManyDevices) {
  FreeWindows windows;
  for (std::size_t i = 0; i < ChunkWindows::kMaxDevices; ++i)
    ASSERT_TRUE(windows.take(of("d" + std::to_string(i)), {{0, 0}}));
  EXPECT_FALSE(windows.take(of("one-more"), {{0, 0}}));
  EXPECT_TRUE(windows.take(of("d7"), {{1, 1}})) << "who is in may ask on";
  windows.done(*windows.next());
  EXPECT_TRUE(windows.take(of("one-more"), {{0, 0}}));
}

/// Sends `rounds` chunks; every device asks for more as soon as it got one. Bytes by device.
std::map<std::string, std::uint64_t> share(FreeWindows& windows, const std::vector<WantedChunk>& devices, int rounds) {
  std::map<std::string, std::uint64_t> bytes;
  for (const auto& device : devices) EXPECT_TRUE(windows.take(device, {{0, device.grid.count() - 1}}));
  for (int i = 0; i < rounds; ++i) {
    const auto chunk = windows.next();
    if (!chunk) break;
    bytes[chunk->device.str()] += chunk->bytes();
    windows.done(*chunk);
    EXPECT_TRUE(windows.take(*chunk, {{0, chunk->grid.count() - 1}}));
  }
  return bytes;
}

TEST(ChunkWindows, ShareByBytesWhateverTheSizeOfTheChunks) {
  FreeWindows windows;
  const auto bytes = share(windows, {of("tiny", 1024), of("small", 16u << 10), of("huge", 1u << 20)}, 20'000);
  ASSERT_EQ(bytes.size(), 3u);
  for (const auto& [device, sent] : bytes) {
    EXPECT_GT(sent, 4u << 20) << device;
    EXPECT_NEAR(static_cast<double>(sent), static_cast<double>(bytes.at("small")), 1.2e6) << device;
  }
}

TEST(ChunkWindows, GiveALateComerItsTurnAtOnce) {
  FreeWindows windows;
  ASSERT_TRUE(windows.take(of("greedy"), {{0, 999}}));
  for (int i = 0; i < 5; ++i) windows.done(*windows.next());
  ASSERT_TRUE(windows.take(of("late"), {{0, 0}}));
  int before = 0;
  while (windows.next()->device.str() != "late") ++before;
  EXPECT_LE(before, 2);
}

TEST(ChunkWindows, LetGoWhatTheCapsAllowOneOfADeviceAtATime) {
  ChunkWindows windows;
  ASSERT_TRUE(windows.take(of("a"), {{0, 2}}));
  ASSERT_TRUE(windows.take(of("b"), {{7, 7}}));
  ASSERT_TRUE(windows.take(of("a"), {{3, 3}}));
  EXPECT_FALSE(windows.next()) << "nobody was asked yet";
  const auto a = windows.next_to_allow();
  const auto b = windows.next_to_allow();
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->index, 0u);
  EXPECT_EQ(b->device.str(), "b");
  EXPECT_FALSE(windows.next_to_allow());
  windows.allow(*b);
  EXPECT_EQ(windows.next()->index, 7u) << "whoever is held back holds nobody else";
  EXPECT_FALSE(windows.next());
  windows.done(*b);
  EXPECT_EQ(windows.devices(), 1u);
  windows.allow(*a);
  for (std::uint32_t i = 1; i < 4; ++i) {
    const auto more = windows.next_to_allow();
    ASSERT_TRUE(more) << i;
    EXPECT_EQ(more->index, i);
    windows.allow(*more);
  }
  EXPECT_FALSE(windows.next_to_allow());
  EXPECT_EQ(drain(windows), (std::vector<std::uint32_t>{0, 1, 2, 3}));
}

TEST(ChunkWindows, KeepTasksOfADeviceApart) {
  FreeWindows windows;
  ASSERT_TRUE(windows.take(of("a", 64u << 10, 1), {{3, 3}}));
  ASSERT_TRUE(windows.take(of("a", 64u << 10, 2), {{3, 3}}));
  const auto first = windows.next();
  const auto second = windows.next();
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->task, second->task);
}

}  // namespace
}  // namespace ota::download
