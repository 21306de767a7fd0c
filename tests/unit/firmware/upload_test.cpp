#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <thread>

#include "fixtures.hpp"
#include "support/faults.hpp"

namespace ota::firmware {
namespace {

/// No file of this process may grow beyond `bytes`: a full disk that needs no mount.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

class UploadTest : public StoreTest {};

TEST_F(UploadTest, StoresImagesOfEverySize) {
  const std::size_t block = 512 * 1024;
  unsigned seed = 0;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{511}, block - 1, block, block + 1, 3 * block, 20 * block + 7}) {
    const auto bytes = random_image(size, ++seed);
    const auto stored = upload(bytes);
    EXPECT_EQ(stored.size, size);
    EXPECT_EQ(stored.checksum, sha256(bytes));
    const auto image = store_->image(stored.checksum);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->size(), size);
    EXPECT_EQ(image->digest(), stored.checksum);
    EXPECT_GE(image->descriptor(), 0);
    EXPECT_EQ(contents(file(stored.checksum, ".img")), bytes);
    EXPECT_TRUE(check(stored.checksum, 0, size));
    EXPECT_EQ(**prepare(stored.checksum, block), expected_manifest(bytes, block));
  }
}

TEST_F(UploadTest, PiecesOfAnySizeMakeTheSameImage) {
  const auto bytes = random_image(1'300'000);
  std::mt19937 random(5);
  auto upload = *store_->begin_upload();
  for (std::size_t at = 0; at < bytes.size();) {
    const auto piece = std::min<std::size_t>(random() % 200'000, bytes.size() - at);
    ASSERT_TRUE(upload->write(std::span(bytes).subspan(at, piece)));
    at += piece;
  }
  EXPECT_EQ(upload->finish()->checksum, sha256(bytes));
  EXPECT_TRUE(upload->commit());
}

TEST_F(UploadTest, AFailedSyncLeavesNothingAndIsNotTriedAgain) {
  const auto bytes = random_image(1'000'000);
  const auto folder = (dir_.path() / "images").string();
  for (const auto& where : {folder + "/", folder}) {  // a file's own, then the folder's
    SCOPED_TRACE(where);
    auto upload = *store_->begin_upload();
    ASSERT_TRUE(upload->write(bytes));
    ASSERT_TRUE(upload->finish());
    {
      const test::DiskFault fault("sync", EIO, where);
      EXPECT_EQ(upload->commit().error().code, Errc::server_fault);
    }
    EXPECT_EQ(upload->commit().error().code, Errc::server_fault) << "the disk is well again; what it lost is not";
    EXPECT_FALSE(store_->image(sha256(bytes)));
    upload.reset();
    EXPECT_TRUE(files().empty());
  }
  EXPECT_EQ(upload(bytes).checksum, sha256(bytes));
}

TEST_F(UploadTest, AWriteThatFailsIsNoDamageOfAnImage) {
  const auto bytes = random_image(1'000'000);
  auto upload = *store_->begin_upload();
  const test::DiskFault fault("write", EIO, (dir_.path() / "images").string() + "/");
  EXPECT_EQ(upload->write(bytes).error().code, Errc::server_fault);
  EXPECT_EQ(upload->finish().error().code, Errc::server_fault);
}

TEST_F(UploadTest, LeavesNothingUnlessCommitted) {
  {
    auto upload = *store_->begin_upload();
    ASSERT_TRUE(upload->write(random_image(1'000'000)));
    EXPECT_EQ(files().size(), 1u);
  }
  EXPECT_TRUE(files().empty());
  Digest digest;
  {
    auto upload = *store_->begin_upload();
    ASSERT_TRUE(upload->write(std::string_view("abc")));
    digest = upload->finish()->checksum;
    EXPECT_FALSE(store_->image(digest));
  }
  EXPECT_TRUE(files().empty());
  EXPECT_FALSE(store_->image(digest));
}

TEST_F(UploadTest, FilesAndFoldersAreNotForEverybody) {
  const auto stored = upload("image");
  for (const auto& name : files()) {
    struct stat status {};
    ASSERT_EQ(::stat((options_.dir / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0640u) << name;
  }
  for (const auto& dir : {options_.dir, options_.dir / "tmp"}) {
    struct stat status {};
    ASSERT_EQ(::stat(dir.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0027u, 0u) << dir;
  }
  const auto hex = to_hex(stored.checksum);
  EXPECT_EQ(files(), (std::vector<std::string>{hex + ".524288.sums", hex + ".img"}));
}

TEST_F(UploadTest, RefusesAnEmptyImage) {
  auto upload = *store_->begin_upload();
  ASSERT_TRUE(upload->write({}));
  EXPECT_EQ(upload->finish().error().code, Errc::malformed);
  EXPECT_FALSE(upload->commit());
}

TEST_F(UploadTest, RefusesWhatIsTooLargeAndTakesWhatJustFits) {
  options_.max_image_bytes = 700'000;
  open();
  const auto bytes = random_image(700'001);
  upload(bytes.substr(0, 700'000));
  auto upload = *store_->begin_upload();
  ASSERT_TRUE(upload->write(std::span(bytes).first(700'000)));
  EXPECT_EQ(upload->write(std::span(bytes).last(1)).error().code, Errc::too_large);
  EXPECT_EQ(upload->finish().error().code, Errc::too_large);
  EXPECT_EQ(upload->commit().error().code, Errc::too_large);
}

TEST_F(UploadTest, CallsOutOfOrderAreRefused) {
  auto upload = *store_->begin_upload();
  ASSERT_TRUE(upload->write(std::string_view("abc")));
  EXPECT_FALSE(upload->commit());
  const auto stored = upload->finish();
  ASSERT_TRUE(stored);
  EXPECT_FALSE(upload->write(std::string_view("d")));
  EXPECT_EQ(upload->finish()->checksum, stored->checksum);
  EXPECT_TRUE(upload->commit());
  EXPECT_FALSE(upload->commit());
  upload.reset();
  EXPECT_TRUE(store_->image(stored->checksum));
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(UploadTest, AFullDiskIsNamedAndLeavesNothing) {
  const auto bytes = random_image(4 << 20);
  auto upload = *store_->begin_upload();
  Result<void> written;
  {
    const FileLimit limit(1'500'000);
    written = upload->write(bytes);
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::disk_full);
  EXPECT_NE(written.error().message.find(options_.dir.string()), std::string::npos) << written.error().message;
  EXPECT_NE(written.error().message.find(" bytes free"), std::string::npos) << written.error().message;
  // The room that comes later does not make the image whole.
  EXPECT_EQ(upload->write(bytes).error().code, Errc::disk_full);
  EXPECT_EQ(upload->finish().error().code, Errc::disk_full);
  upload.reset();
  EXPECT_TRUE(files().empty());
  this->upload(bytes);
}

TEST_F(UploadTest, ADiskThatFillsUpAtTheDigestsLeavesNothing) {
  auto upload = *store_->begin_upload();
  ASSERT_TRUE(upload->write(random_image(600'000)));
  const auto stored = upload->finish();
  ASSERT_TRUE(stored);
  Result<std::shared_ptr<Image>> image = std::shared_ptr<Image>();
  {
    const FileLimit limit(50);
    image = upload->commit();
  }
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Errc::disk_full);
  EXPECT_FALSE(store_->image(stored->checksum));
  upload.reset();
  EXPECT_TRUE(files().empty());
}

TEST_F(UploadTest, TwoOfTheSameContentAtOnceBothSucceed) {
  const auto bytes = random_image(3'000'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) EXPECT_EQ(upload(bytes).checksum, sha256(bytes));
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(check(sha256(bytes), 0, bytes.size()));
  EXPECT_EQ(files().size(), 2u);
  EXPECT_TRUE(damages_.all().empty());
}

TEST_F(UploadTest, ThereIsABoundAndRoomAgainAfterwards) {
  std::vector<std::unique_ptr<Upload>> uploads;
  for (;;) {
    auto upload = store_->begin_upload();
    if (!upload) {
      EXPECT_EQ(upload.error().code, Errc::overloaded);
      break;
    }
    uploads.push_back(std::move(*upload));
    ASSERT_LT(uploads.size(), 1000u);
  }
  EXPECT_FALSE(store_->begin_upload());
  uploads.pop_back();
  EXPECT_TRUE(store_->begin_upload());
}

TEST_F(UploadTest, FreeBytesAreThoseOfTheFolder) {
  const auto free = store_->free_bytes();
  ASSERT_TRUE(free);
  EXPECT_GT(*free, 0u);
}

}  // namespace
}  // namespace ota::firmware
