#include <sys/stat.h>

#include <latch>
#include <thread>

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

constexpr std::size_t kImageBlock = 512 * 1024;

class ImageTest : public StoreTest {
 protected:
  /// A file system's clock has steps of some milliseconds: waits until a change now is later than the last of `path`.
  void pass_a_tick_after(const fs::path& path) const {
    const auto changed = [](const fs::path& of) {
      struct stat status {};
      EXPECT_EQ(::stat(of.c_str(), &status), 0);
      return std::pair(status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    };
    const auto probe = path.parent_path() / "probe";
    do {
      std::ofstream(probe) << "x";
    } while (changed(probe) <= changed(path));
    fs::remove(probe);
  }

  void expect_set_aside(const Stored& stored) {
    EXPECT_FALSE(store_->image(stored.checksum));
    EXPECT_FALSE(fs::exists(file(stored.checksum, ".img")));
    EXPECT_TRUE(fs::exists(file(stored.checksum, ".damaged")));
    EXPECT_EQ(damages_.all(), std::vector<Digest>{stored.checksum});
    EXPECT_EQ(prepare(stored.checksum, 4096).error().code, Errc::no_such_firmware);
  }

  const std::string bytes_ = random_image(5 * kImageBlock + 100);
};

TEST_F(ImageTest, BlocksCountAsCheckedOnceTheyWere) {
  const auto stored = upload(bytes_);
  const auto image = store_->image(stored.checksum);
  EXPECT_FALSE(image->checked(0, 1));
  EXPECT_TRUE(image->checked(0, 0));
  ASSERT_TRUE(check(stored.checksum, kImageBlock + 5, kImageBlock));  // blocks 1 and 2
  EXPECT_FALSE(image->checked(kImageBlock - 1, 1));
  EXPECT_TRUE(image->checked(kImageBlock, 2 * kImageBlock));
  EXPECT_FALSE(image->checked(kImageBlock, 2 * kImageBlock + 1));
  ASSERT_TRUE(check(stored.checksum, 0, bytes_.size()));
  EXPECT_TRUE(image->checked(0, bytes_.size()));
  EXPECT_FALSE(image->checked(0, bytes_.size() + 1));
  EXPECT_FALSE(image->checked(bytes_.size() + 1, 0));
  EXPECT_FALSE(image->checked(1, ~std::uint64_t{0}));
}

TEST_F(ImageTest, WhatIsDoubtedIsReadAnew) {
  const auto stored = upload(bytes_);
  const auto image = store_->image(stored.checksum);
  ASSERT_TRUE(check(stored.checksum, 0, bytes_.size()));
  image->invalidate(kImageBlock + 5, kImageBlock);
  EXPECT_TRUE(image->checked(0, kImageBlock));
  EXPECT_FALSE(image->checked(kImageBlock, 1));
  EXPECT_FALSE(image->checked(3 * kImageBlock - 1, 1));
  EXPECT_TRUE(image->checked(3 * kImageBlock, 2 * kImageBlock));
  ASSERT_TRUE(check(stored.checksum, 0, bytes_.size())) << "nothing was wrong";
  EXPECT_TRUE(image->checked(0, bytes_.size()));
}

TEST_F(ImageTest, AFileThatWasChangedInPlaceIsReadAnew) {
  const auto stored = upload(bytes_);
  const auto path = file(stored.checksum, ".img");
  const auto image = store_->image(stored.checksum);
  ASSERT_TRUE(check(stored.checksum, 0, bytes_.size()));
  pass_a_tick_after(path);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_FALSE(image->checked(0, bytes_.size())) << "it may be another content";
  ASSERT_TRUE(check(stored.checksum, 0, bytes_.size()));
  EXPECT_TRUE(image->checked(0, bytes_.size())) << "it was none";
  pass_a_tick_after(path);
  const auto written = fs::last_write_time(path);
  flip(path, kImageBlock + 7);
  fs::last_write_time(path, written);  // as cp -p and rsync have it
  EXPECT_FALSE(image->checked(kImageBlock, 1));
  ASSERT_TRUE(check(stored.checksum, 0, 1)) << "another block";
  EXPECT_TRUE(image->checked(0, 1));
  EXPECT_FALSE(image->checked(kImageBlock, 1));
  EXPECT_EQ(check(stored.checksum, kImageBlock, 1).error().code, Errc::image_damaged);
  expect_set_aside(stored);
}

TEST_F(ImageTest, RangesOutsideAreRefused) {
  const auto stored = upload(bytes_);
  EXPECT_EQ(check(stored.checksum, 0, 0).error().code, Errc::malformed);
  EXPECT_EQ(check(stored.checksum, bytes_.size(), 1).error().code, Errc::malformed);
  EXPECT_EQ(check(stored.checksum, 1, bytes_.size()).error().code, Errc::malformed);
  EXPECT_EQ(check(stored.checksum, 1, ~std::uint64_t{0}).error().code, Errc::malformed);
  EXPECT_TRUE(damages_.all().empty());
}

TEST_F(ImageTest, MoreThanOneSliceIsChecked) {
  const auto bytes = random_image(70 * kImageBlock + 3);
  const auto stored = upload(bytes);
  ASSERT_TRUE(check(stored.checksum, 0, bytes.size()));
  EXPECT_TRUE(store_->image(stored.checksum)->checked(0, bytes.size()));
}

TEST_F(ImageTest, AFlippedBitIsFoundInEveryBlock) {
  for (std::uint64_t block = 0; block < 6; ++block) {
    const auto stored = upload(bytes_);
    const auto image = store_->image(stored.checksum);
    const auto offset = block * kImageBlock + (block == 5 ? 99 : 12345);
    flip(file(stored.checksum, ".img"), offset);
    for (std::uint64_t other = 0; other < 6; ++other) {
      if (other != block) {
        ASSERT_TRUE(check(stored.checksum, other * kImageBlock, 1));
      }
    }
    const auto checked = check(stored.checksum, offset, 1);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Errc::image_damaged);
    EXPECT_FALSE(store_->image(stored.checksum));
    EXPECT_FALSE(image->checked(0, 1)) << "a damaged image has no good blocks";
    EXPECT_EQ(damages_.all().size(), block + 1);
  }
}

TEST_F(ImageTest, ADamagedImageIsSetAsideOnce) {
  const auto stored = upload(bytes_);
  flip(file(stored.checksum, ".img"), 7);
  const auto image = store_->image(stored.checksum);
  std::vector<Answer<Result<void>>> answers(20);
  for (auto& answer : answers) image->check(0, bytes_.size(), answer.callback());
  for (auto& answer : answers) EXPECT_EQ(answer.get().error().code, Errc::image_damaged);
  expect_set_aside(stored);
}

TEST_F(ImageTest, ATruncatedImageIsDamaged) {
  const auto stored = upload(bytes_);
  fs::resize_file(file(stored.checksum, ".img"), bytes_.size() - 1);
  EXPECT_TRUE(check(stored.checksum, 0, 5 * kImageBlock));
  EXPECT_EQ(check(stored.checksum, bytes_.size() - 1, 1).error().code, Errc::image_damaged);
  expect_set_aside(stored);
}

TEST_F(ImageTest, AnImageThatVanishedIsReported) {
  const auto stored = upload(bytes_);
  reopen({stored});
  fs::remove(file(stored.checksum, ".img"));
  EXPECT_FALSE(store_->image(stored.checksum));
  ASSERT_TRUE(losses_.wait_for(1));
  EXPECT_FALSE(store_->image(stored.checksum));
  EXPECT_EQ(losses_.all(), std::vector<Digest>{stored.checksum});
  EXPECT_TRUE(store_->missing(stored.checksum));
  EXPECT_TRUE(damages_.all().empty()) << "it may come back";
}

TEST_F(ImageTest, TheSameContentAgainHealsIt) {
  const auto stored = upload(bytes_);
  flip(file(stored.checksum, ".img"), 7);
  EXPECT_FALSE(check(stored.checksum, 0, 1));
  EXPECT_FALSE(store_->image(stored.checksum));
  EXPECT_TRUE(returns_.all().empty());
  upload(bytes_);
  EXPECT_EQ(returns_.all(), std::vector<Digest>{stored.checksum}) << "its tasks go on";
  ASSERT_TRUE(store_->image(stored.checksum));
  EXPECT_TRUE(check(stored.checksum, 0, bytes_.size()));
  EXPECT_EQ(contents(file(stored.checksum, ".img")), bytes_);
  EXPECT_TRUE(fs::exists(file(stored.checksum, ".damaged")));
}

TEST_F(ImageTest, RotInAReplacedFileDoesNotTouchItsSuccessor) {
  const auto stored = upload(bytes_);
  const auto old = store_->image(stored.checksum);
  flip(file(stored.checksum, ".img"), 7);
  upload(bytes_);
  Answer<Result<void>> answer;
  old->check(0, 1, answer.callback());
  EXPECT_EQ(answer.get().error().code, Errc::image_damaged);
  EXPECT_TRUE(damages_.all().empty());
  ASSERT_TRUE(store_->image(stored.checksum));
  EXPECT_TRUE(check(stored.checksum, 0, bytes_.size()));
}

TEST_F(ImageTest, LostBlockDigestsAreComputedAgain) {
  const auto stored = upload(bytes_);
  const auto sums = file(stored.checksum, ".524288.sums");
  const auto before = contents(sums);
  const auto other = upload(random_image(bytes_.size(), 2));
  const auto foreign = contents(file(other.checksum, ".524288.sums"));
  for (const std::string kind : {"missing", "rotten", "cut", "foreign"}) {
    store_.reset();
    if (kind == "missing") fs::remove(sums);
    if (kind == "rotten") flip(sums, before.size() / 2);
    if (kind == "cut") fs::resize_file(sums, before.size() - 1);
    if (kind == "foreign") std::ofstream(sums, std::ios::binary) << foreign;
    reopen({stored, other});
    ASSERT_TRUE(check(stored.checksum, 0, 1)) << kind;
    EXPECT_EQ(contents(sums), before) << kind;
    EXPECT_EQ(**prepare(stored.checksum, kImageBlock), expected_manifest(bytes_, kImageBlock)) << kind;
  }
  EXPECT_TRUE(damages_.all().empty());
}

TEST_F(ImageTest, LostBlockDigestsOfARottenImageAreNotMadeUp) {
  const auto stored = upload(bytes_);
  store_.reset();
  flip(file(stored.checksum, ".524288.sums"), 80);
  flip(file(stored.checksum, ".img"), 3 * kImageBlock);
  reopen({stored});
  // The block asked for is right, but nothing proves that any more.
  EXPECT_EQ(check(stored.checksum, 0, 1).error().code, Errc::image_damaged);
  expect_set_aside(stored);
}

TEST_F(ImageTest, TooManyDiskJobsAreRefused) {
  options_.disk_threads = 1;
  open();
  const auto stored = upload(bytes_);
  const auto image = store_->image(stored.checksum);
  std::latch release(1);
  std::atomic<int> ran = 0;
  int posted = 0;
  const auto job = [&] {
    release.wait();
    ++ran;
  };
  while (store_->on_disk_thread(job)) ASSERT_LT(++posted, 100'000);
  // One may have begun between two posts.
  while (store_->on_disk_thread(job)) ++posted;
  Answer<Result<void>> checked;
  image->check(0, 1, checked.callback());
  Answer<Result<std::shared_ptr<const Manifest>>> prepared;
  store_->prepare(stored.checksum, 4096, prepared.callback());
  ASSERT_TRUE(checked.ready());
  EXPECT_EQ(checked.get().error().code, Errc::overloaded);
  ASSERT_TRUE(prepared.ready());
  EXPECT_EQ(prepared.get().error().code, Errc::overloaded);
  release.count_down();
  store_.reset();
  EXPECT_EQ(ran, posted);
}

TEST_F(ImageTest, AHandleOutlivesRemoval) {
  const auto stored = upload(bytes_);
  const auto image = store_->image(stored.checksum);
  store_->remove(stored.checksum);
  EXPECT_FALSE(store_->image(stored.checksum));
  EXPECT_TRUE(files().empty());
  std::string read(bytes_.size(), '\0');
  EXPECT_EQ(::pread(image->descriptor(), read.data(), read.size(), 0), static_cast<ssize_t>(read.size()));
  EXPECT_EQ(read, bytes_);
  store_->remove(stored.checksum);
  store_->remove(sha256("never there"));
}

TEST_F(ImageTest, ManyThreadsMayUseOne) {
  const auto stored = upload(bytes_);
  reopen({stored});
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const auto image = store_->image(stored.checksum);
      ASSERT_TRUE(image);
      for (std::uint64_t block = 0; block < 6; ++block) {
        const auto offset = (block + static_cast<unsigned>(t)) % 6 * kImageBlock;
        Answer<Result<void>> answer;
        image->check(offset, 1, answer.callback());
        EXPECT_TRUE(answer.get());
        EXPECT_TRUE(image->checked(offset, 1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace ota::firmware
