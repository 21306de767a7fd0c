#include "firmware/manifest_cache.hpp"

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

const Digest kA = sha256("a");
const Digest kB = sha256("b");

std::shared_ptr<const Manifest> of(std::size_t chunks) { return std::make_shared<const Manifest>(chunks); }

TEST(ManifestCache, ThrowsOutTheLeastRecentlyUsed) {
  ManifestCache cache(10 * sizeof(Digest));
  cache.put({kA, 1}, of(4));
  cache.put({kA, 2}, of(4));
  EXPECT_TRUE(cache.find({kA, 1}));
  cache.put({kB, 1}, of(4));
  EXPECT_TRUE(cache.find({kA, 1}));
  EXPECT_FALSE(cache.find({kA, 2}));
  EXPECT_TRUE(cache.find({kB, 1}));
  EXPECT_EQ(cache.bytes(), 8 * sizeof(Digest));
}

TEST(ManifestCache, HoldsOneThatIsLargerThanItsBound) {
  ManifestCache cache(10 * sizeof(Digest));
  cache.put({kA, 1}, of(4));
  cache.put({kA, 2}, of(11));
  EXPECT_FALSE(cache.find({kA, 1}));
  EXPECT_TRUE(cache.find({kA, 2}));
  cache.put({kA, 1}, of(4));
  EXPECT_FALSE(cache.find({kA, 2}));
  EXPECT_EQ(cache.bytes(), 4 * sizeof(Digest));
}

TEST(ManifestCache, ReplacesAndDrops) {
  ManifestCache cache(100 * sizeof(Digest));
  cache.put({kA, 1}, of(4));
  const auto newer = of(5);
  cache.put({kA, 1}, newer);
  EXPECT_EQ(cache.find({kA, 1}), newer);
  EXPECT_EQ(cache.bytes(), 5 * sizeof(Digest));
  cache.put({kA, 0xffffffff}, of(1));
  cache.put({kB, 1}, of(2));
  cache.drop(kA);
  EXPECT_FALSE(cache.find({kA, 1}));
  EXPECT_FALSE(cache.find({kA, 0xffffffff}));
  EXPECT_TRUE(cache.find({kB, 1}));
  EXPECT_EQ(cache.bytes(), 2 * sizeof(Digest));
}

}  // namespace
}  // namespace ota::firmware
