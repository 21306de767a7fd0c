// An image whose digests come chunk by chunk, over restarts of the agent.
#include "agent/image_file.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "ota/firmware/hash.hpp"
#include "support/fakes.hpp"

namespace ota::agent {
namespace {

class ImageFileTest : public ::testing::Test {
 protected:
  std::string chunk(std::uint32_t index) const {
    return std::string(grid_.length(index), static_cast<char>('a' + index));
  }
  Digest digest(std::uint32_t index) const { return firmware::sha256(chunk(index)); }
  std::vector<Digest> all() const {
    std::vector<Digest> digests;
    for (std::uint32_t i = 0; i < grid_.count(); ++i) digests.push_back(digest(i));
    return digests;
  }
  ImageFile open(std::vector<Digest> digests = {}) {
    auto opened = ImageFile::open(dir_ / "part", grid_, std::move(digests));
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  bool put(ImageFile& image, std::uint32_t index) { return image.put(index, chunk(index), digest(index)).value(); }

  const ChunkGrid grid_{4500, 1000};
  test::TempDir dir_;
};

TEST_F(ImageFileTest, LearnsDigestsAndKeepsThem) {
  {
    auto image = open();
    EXPECT_FALSE(image.knows_digests());
    EXPECT_FALSE(image.put(0, chunk(0)).value()) << "nothing says that it is right";
    EXPECT_FALSE(image.put(0, chunk(0), digest(1)).value());
    EXPECT_TRUE(put(image, 0));
    EXPECT_TRUE(put(image, 4));
  }
  auto image = open();
  EXPECT_EQ(image.have().missing(), (ChunkRanges{{1, 3}}));
  EXPECT_FALSE(image.put(0, chunk(1), digest(1)).value()) << "its digest is known by now";
  for (std::uint32_t i : {1u, 2u, 3u}) EXPECT_TRUE(put(image, i));
  EXPECT_TRUE(image.knows_digests());
  EXPECT_TRUE(image.have().complete());
  EXPECT_TRUE(image.recheck().empty());
}

TEST_F(ImageFileTest, WhatIsForgottenIsLearnedAnew) {
  auto image = open();
  for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(put(image, i));
  image.forget({{1, 2}});
  EXPECT_FALSE(image.knows_digests());
  const std::string other(1000, 'x');
  EXPECT_TRUE(image.put(1, other, firmware::sha256(other)).value()) << "what came before may have been the wrong one";
  EXPECT_EQ(open().have().missing(), (ChunkRanges{{2, 2}}));
}

TEST_F(ImageFileTest, GoesOnWithTheManifestAndWithoutIt) {
  {
    auto image = open();
    ASSERT_TRUE(put(image, 2));
  }
  {
    auto image = open(all());
    EXPECT_TRUE(image.knows_digests());
    EXPECT_EQ(image.have().missing(), (ChunkRanges{{0, 1}, {3, 4}}));
    EXPECT_TRUE(image.put(3, chunk(3)).value());
    image.forget({{2, 2}});
    EXPECT_TRUE(image.knows_digests()) << "the manifest's are no hearsay";
  }
  auto image = open();
  EXPECT_EQ(image.have().missing(), (ChunkRanges{{0, 1}, {4, 4}}));
}

TEST_F(ImageFileTest, BelievesNoTornRecord) {
  {
    auto image = open();
    for (std::uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(put(image, i));
  }
  const auto file = ImageFile::digests_file(dir_ / "part");
  std::filesystem::resize_file(file, 64 + 3 * 32 + 10);
  EXPECT_EQ(open().have().missing(), (ChunkRanges{{3, 4}}));
  std::ofstream(file, std::ios::trunc) << "nonsense";
  EXPECT_EQ(open().have().have(), 0u);
  std::filesystem::remove(file);
  EXPECT_EQ(open().have().have(), 0u);
}

}  // namespace
}  // namespace ota::agent
