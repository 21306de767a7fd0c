#include "fixtures.hpp"

namespace ota::firmware {
namespace {

class AdoptTest : public StoreTest {};

TEST_F(AdoptTest, WhatWasStoredIsThereAfterAStart) {
  const auto bytes = random_image(1'200'000);
  const auto stored = upload(bytes);
  open();
  EXPECT_FALSE(store_->image(stored.checksum)) << "before adopt()";
  EXPECT_TRUE(store_->adopt({stored, stored}).empty());
  const auto image = store_->image(stored.checksum);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->size(), stored.size);
  EXPECT_FALSE(image->checked(0, 1));
  EXPECT_TRUE(check(stored.checksum, 0, stored.size));
}

TEST_F(AdoptTest, WhatAKilledRunLeftHalfWrittenIsRemoved) {
  const auto stored = upload(random_image(1000));
  const auto before = files();
  store_.reset();
  const auto half = sha256("half");
  std::ofstream(options_.dir / "tmp" / "upload-abc123") << "half an image";
  std::ofstream(options_.dir / "tmp" / "sums-abc123") << "half a sidecar";
  std::ofstream(file(half, ".524288.sums")) << "renamed, its image not yet";
  std::ofstream(file(sha256("unrecorded"), ".img")) << "renamed, its row not yet committed";
  open();
  EXPECT_TRUE(fs::is_empty(options_.dir / "tmp"));
  EXPECT_TRUE(store_->adopt({stored}).empty());
  EXPECT_EQ(files(), before);
}

TEST_F(AdoptTest, OrphansGoAndEvidenceOfKnownImagesStays) {
  const auto kept = upload(random_image(1000, 1));
  const auto forgotten = upload(random_image(1000, 2));
  ASSERT_TRUE(prepare(forgotten.checksum, 512));
  store_.reset();
  std::ofstream(file(kept.checksum, ".damaged")) << "evidence";
  std::ofstream(file(forgotten.checksum, ".damaged")) << "evidence of nothing";
  std::ofstream(options_.dir / "README") << "somebody else's";
  fs::create_directory(options_.dir / "lost+found");
  reopen({kept});
  const auto hex = to_hex(kept.checksum);
  EXPECT_EQ(files(), (std::vector<std::string>{hex + ".524288.sums", hex + ".damaged", hex + ".img", "README"}));
}

TEST_F(AdoptTest, AnswersWhatIsMissingOrOfAnotherSize) {
  const auto good = upload(random_image(1000, 1));
  const auto gone = upload(random_image(1000, 2));
  const auto cut = upload(random_image(1000, 3));
  store_.reset();
  fs::remove(file(gone.checksum, ".img"));
  fs::resize_file(file(cut.checksum, ".img"), 999);
  open();
  auto missing = store_->adopt({good, gone, cut, gone});
  std::vector<Digest> expected{gone.checksum, cut.checksum};
  std::sort(missing.begin(), missing.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(missing, expected);
  EXPECT_TRUE(store_->image(good.checksum));
  EXPECT_FALSE(store_->image(gone.checksum));
  EXPECT_FALSE(store_->image(cut.checksum));
  EXPECT_TRUE(fs::exists(file(cut.checksum, ".damaged")));
  upload(random_image(1000, 3));
  EXPECT_TRUE(check(cut.checksum, 0, 1000));
}

TEST_F(AdoptTest, AnEmptyCatalogueRemovesEverything) {
  upload("a");
  upload("b");
  reopen({});
  EXPECT_TRUE(files().empty());
}

TEST_F(AdoptTest, TheFolderBelongsToOneStore) {
  const auto second = Store::open(options_, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_NE(second.error().message.find(options_.dir.string()), std::string::npos);
  store_.reset();
  EXPECT_TRUE(Store::open(options_, {}));
}

TEST_F(AdoptTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(dir_.path() / "file") << "x";
  StoreOptions options;
  options.dir = dir_.path() / "file" / "images";
  const auto store = Store::open(options, {});
  ASSERT_FALSE(store);
  EXPECT_NE(store.error().message.find(options.dir.string()), std::string::npos) << store.error().message;
  options.dir = dir_.path() / "file";
  EXPECT_FALSE(Store::open(options, {}));
  options.dir = dir_.path() / "a" / "b" / "c";
  EXPECT_TRUE(Store::open(options, {}));
}

}  // namespace
}  // namespace ota::firmware
