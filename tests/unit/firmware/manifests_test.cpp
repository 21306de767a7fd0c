#include <thread>

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

constexpr std::size_t kBlock = 512 * 1024;

class GridsTest : public StoreTest {};

TEST_F(GridsTest, EveryGridHasTheDigestsOfItsChunks) {
  for (const std::size_t chunk :
       {std::size_t{512}, std::size_t{4096}, kBlock - 512, kBlock, kBlock + 512, 2 * kBlock}) {
    for (const std::size_t size : {std::size_t{1}, chunk - 1, chunk, chunk + 1, 3 * chunk + 77}) {
      const auto bytes = random_image(size);
      const auto stored = upload(bytes);
      const auto manifest = prepare(stored.checksum, static_cast<std::uint32_t>(chunk));
      ASSERT_TRUE(manifest) << manifest.error().message;
      EXPECT_EQ(**manifest, expected_manifest(bytes, chunk)) << chunk << ' ' << size;
      EXPECT_EQ(store_->find(stored.checksum, static_cast<std::uint32_t>(chunk)), *manifest);
    }
  }
}

TEST_F(GridsTest, AsManyChunksAsATaskMayHaveAndNoMore) {
  const auto bytes = random_image(65'536 * 512 + 1);
  const auto largest = upload(bytes.substr(0, 65'536 * 512));
  const auto manifest = prepare(largest.checksum, 512);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(**manifest, expected_manifest(bytes.substr(0, 65'536 * 512), 512));
  EXPECT_TRUE(store_->image(largest.checksum)->checked(0, 65'536 * 512));
  const auto beyond = upload(bytes);
  EXPECT_EQ(prepare(beyond.checksum, 512).error().code, Errc::malformed);
  EXPECT_EQ(prepare(beyond.checksum, 0).error().code, Errc::malformed);
  EXPECT_TRUE(prepare(beyond.checksum, 1024));
}

TEST_F(GridsTest, FindDoesNotLoad) {
  const auto stored = upload(random_image(100'000));
  EXPECT_FALSE(store_->find(stored.checksum, 4096));
  ASSERT_TRUE(prepare(stored.checksum, 4096));
  EXPECT_TRUE(store_->find(stored.checksum, 4096));
  reopen({stored});
  EXPECT_FALSE(store_->find(stored.checksum, 4096));
}

TEST_F(GridsTest, WhatIsInMemoryIsAnsweredAtOnce) {
  const auto stored = upload(random_image(100'000));
  ASSERT_TRUE(prepare(stored.checksum, 4096));
  Answer<Result<std::shared_ptr<const Manifest>>> answer;
  store_->prepare(stored.checksum, 4096, answer.callback());
  ASSERT_TRUE(answer.ready());
  EXPECT_TRUE(answer.get());
}

TEST_F(GridsTest, UnknownImages) {
  Answer<Result<std::shared_ptr<const Manifest>>> answer;
  store_->prepare(sha256("none"), 4096, answer.callback());
  ASSERT_TRUE(answer.ready());
  EXPECT_EQ(answer.get().error().code, Errc::no_such_firmware);
  EXPECT_FALSE(store_->find(sha256("none"), 4096));
}

TEST_F(GridsTest, AfterAStartTheSidecarIsRead) {
  const auto bytes = random_image(2'000'000);
  const auto stored = upload(bytes);
  ASSERT_TRUE(prepare(stored.checksum, 4096));
  store_.reset();
  // Were it computed again, the rot would be found.
  flip(file(stored.checksum, ".img"), 5);
  reopen({stored});
  const auto manifest = prepare(stored.checksum, 4096);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(**manifest, expected_manifest(bytes, 4096));
}

TEST_F(GridsTest, ARottenSidecarIsComputedAgain) {
  const auto bytes = random_image(2'000'000);
  const auto stored = upload(bytes);
  const auto sums = file(stored.checksum, ".4096.sums");
  ASSERT_TRUE(prepare(stored.checksum, 4096));
  const auto before = contents(sums);
  store_.reset();
  flip(sums, 200);
  reopen({stored});
  const auto manifest = prepare(stored.checksum, 4096);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(**manifest, expected_manifest(bytes, 4096));
  EXPECT_EQ(contents(sums), before);
}

TEST_F(GridsTest, ADamagedImageGetsNoGrid) {
  const auto bytes = random_image(3 * kBlock);
  for (const std::uint32_t chunk : {4096u, 1'000'000u}) {
    const auto stored = upload(bytes);
    flip(file(stored.checksum, ".img"), 2 * kBlock);
    EXPECT_EQ(prepare(stored.checksum, chunk).error().code, Errc::image_damaged);
    EXPECT_FALSE(store_->image(stored.checksum));
    EXPECT_FALSE(fs::exists(file(stored.checksum, '.' + std::to_string(chunk) + ".sums")));
  }
  EXPECT_EQ(damages_.all().size(), 2u);
}

TEST_F(GridsTest, ManyAskersShareOneComputation) {
  const auto bytes = random_image(20 * kBlock);
  const auto stored = upload(bytes);
  std::vector<Answer<Result<std::shared_ptr<const Manifest>>>> answers(64);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (auto i = t; i < answers.size(); i += 4) store_->prepare(stored.checksum, 4096, answers[i].callback());
    });
  }
  for (auto& thread : threads) thread.join();
  const auto first = answers[0].get();
  ASSERT_TRUE(first);
  for (std::size_t i = 1; i < answers.size(); ++i) {
    const auto other = answers[i].get();
    ASSERT_TRUE(other);
    EXPECT_EQ(*other, *first) << "the same object";
  }
}

TEST_F(GridsTest, ClosingTheStoreAnswersWhoWaits) {
  const auto stored = upload(random_image(40 * kBlock));
  std::vector<Answer<Result<std::shared_ptr<const Manifest>>>> answers(8);
  for (std::size_t i = 0; i < answers.size(); ++i)
    store_->prepare(stored.checksum, static_cast<std::uint32_t>(1024 * (i + 1)), answers[i].callback());
  store_.reset();
  for (auto& answer : answers) {
    ASSERT_TRUE(answer.ready());
    const auto manifest = answer.get();
    EXPECT_TRUE(manifest || manifest.error().code == Errc::cancelled);
  }
}

TEST_F(GridsTest, SidecarsOfOneImageAreBounded) {
  const auto bytes = random_image(100'000);
  const auto stored = upload(bytes);
  for (std::uint32_t i = 1; i <= 100; ++i) {
    const auto manifest = prepare(stored.checksum, 512 * i);
    ASSERT_TRUE(manifest);
    ASSERT_EQ(**manifest, expected_manifest(bytes, 512 * i));
  }
  EXPECT_EQ(files().size(), 65u) << "the image and 64 sidecars";
}

}  // namespace
}  // namespace ota::firmware
