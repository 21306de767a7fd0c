#include <atomic>
#include <stdexcept>
#include <thread>

#include "firmware/scrubber.hpp"
#include "fixtures.hpp"
#include "support/eventually.hpp"

namespace ota::firmware {
namespace {

constexpr std::size_t kScrubBlock = 512 * 1024;

class ScrubTest : public StoreTest {
 protected:
  void SetUp() override {
    options_.scrub_every = std::chrono::hours(0);  // the shortest there is
    options_.scrub_bytes_per_s = 0;
    open();
  }
};

TEST_F(ScrubTest, FindsRotThatNobodyAskedFor) {
  const auto good = upload(random_image(3 * kScrubBlock, 1));
  const auto rotten = upload(random_image(3 * kScrubBlock + 1, 2));
  ASSERT_TRUE(check(rotten.checksum, 0, rotten.size));
  flip(file(rotten.checksum, ".img"), 3 * kScrubBlock);
  store_->start_scrub();
  ASSERT_TRUE(damages_.wait_for(1));
  EXPECT_EQ(damages_.all(), std::vector<Digest>{rotten.checksum});
  EXPECT_FALSE(store_->image(rotten.checksum));
  EXPECT_TRUE(store_->image(good.checksum));
}

TEST_F(ScrubTest, ComesAgainAndSeesWhatCameLater) {
  store_->start_scrub();
  store_->start_scrub();
  const auto bytes = random_image(kScrubBlock + 1);
  for (std::size_t round = 1; round <= 2; ++round) {
    const auto stored = upload(bytes);
    flip(file(stored.checksum, ".img"), kScrubBlock);
    ASSERT_TRUE(damages_.wait_for(round));
  }
}

TEST_F(ScrubTest, ComputesTheDigestsThatTheCatalogueLacks) {
  const auto old = upload(random_image(3 * kScrubBlock + 1, 1));
  const auto known = upload(random_image(1000, 2));
  options_.scrub_every = std::chrono::hours(24);
  open();
  // Of two firmwares with one image, one may have them.
  store_->reconcile({{old.checksum, old.size, false, false},
                     {old.checksum, old.size, false, true},
                     {known.checksum, known.size, false, false}});
  store_->start_scrub();
  ASSERT_TRUE(hashed_.wait_for(1));
  const auto image = store_->image(known.checksum);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!image->checked(0, known.size) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  store_.reset();
  ASSERT_EQ(hashed_.all().size(), 1u);
  const auto hashed = hashed_.all().front();
  EXPECT_EQ(hashed.checksum, old.checksum);
  EXPECT_EQ(hashed.size, old.size);
  EXPECT_EQ(hashed.sha1, old.sha1);
  EXPECT_EQ(hashed.md5, old.md5);
}

TEST_F(ScrubTest, DigestsOfARottenImageAreNotTaken) {
  const auto stored = upload(random_image(3 * kScrubBlock));
  open();
  store_->reconcile({{stored.checksum, stored.size, false, true}});
  flip(file(stored.checksum, ".img"), 2 * kScrubBlock);
  store_->start_scrub();
  ASSERT_TRUE(damages_.wait_for(1));
  store_.reset();
  EXPECT_TRUE(hashed_.all().empty());
}

struct NoKeeper final : ImageKeeper {
  bool in_slices(std::function<bool()>) override { return false; }
  bool stopping() const noexcept override { return false; }
  Result<std::shared_ptr<const Manifest>> block_digests(StoredImage&) override { return fail(Errc::not_found, ""); }
  Error quarantine(StoredImage&, const Error& why) override { return why; }
  bool unhashed(const Digest&) const override { return false; }
  void hashed(const Stored&) override {}
};

TEST(Scrubber, GoesOnAfterWhatIsThrown) {
  NoKeeper keeper;
  std::atomic<int> passes{0}, looks{0};
  const auto images = [&]() -> std::vector<std::shared_ptr<StoredImage>> {
    ++passes;
    throw std::runtime_error("no images");
  };
  const auto look = [&] {
    ++looks;
    throw std::runtime_error("no folder");
  };
  const Scrubber scrubber({}, images, look, keeper);
  EXPECT_TRUE(test::eventually([&] { return passes >= 2 && looks >= 2; }));
}

TEST_F(ScrubTest, CountsAsACheck) {
  const auto stored = upload(random_image(3 * kScrubBlock));
  const auto image = store_->image(stored.checksum);
  store_->start_scrub();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!image->checked(0, stored.size) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(image->checked(0, stored.size));
}

TEST_F(ScrubTest, StopsAtOnceHoweverSlowItsPace) {
  options_.scrub_bytes_per_s = 1;  // six days a block
  open();
  const auto stored = upload(random_image(3 * kScrubBlock));
  const auto image = store_->image(stored.checksum);
  store_->start_scrub();
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!image->checked(0, 1) && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_TRUE(image->checked(0, 1));
  EXPECT_FALSE(image->checked(kScrubBlock, 1));
  const auto before = std::chrono::steady_clock::now();
  store_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, kPatience);
}

TEST_F(ScrubTest, AVanishedImageIsFound) {
  const auto stored = upload(random_image(1000));
  reopen({stored});
  fs::remove(file(stored.checksum, ".img"));
  store_->start_scrub();
  ASSERT_TRUE(losses_.wait_for(1));
  EXPECT_FALSE(store_->image(stored.checksum));
}

}  // namespace
}  // namespace ota::firmware
