#include <set>

#include "fixtures.hpp"

namespace ota::firmware {
namespace {

class ReconcileTest : public StoreTest {};

TEST_F(ReconcileTest, WhatWasStoredIsThereAfterAStart) {
  const auto bytes = random_image(1'200'000);
  const auto stored = upload(bytes);
  open();
  EXPECT_FALSE(store_->image(stored.checksum)) << "before reconcile()";
  EXPECT_TRUE(store_->reconcile(known_images({stored, stored})).missing.empty());
  const auto image = store_->image(stored.checksum);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->size(), stored.size);
  EXPECT_FALSE(image->checked(0, 1));
  EXPECT_TRUE(check(stored.checksum, 0, stored.size));
}

TEST_F(ReconcileTest, WhatAKilledRunLeftHalfWrittenIsRemovedAndWholeImagesAreKept) {
  const auto stored = upload(random_image(1000));
  store_.reset();
  const auto half = sha256("half");
  std::ofstream(options_.dir / "tmp" / "upload-abc123") << "half an image";
  std::ofstream(options_.dir / "tmp" / "sums-abc123") << "half a sidecar";
  std::ofstream(file(half, ".524288.sums")) << "renamed, its image not yet";
  std::ofstream(file(sha256("unrecorded"), ".img")) << "unrecorded";
  auto expected = files();
  open();
  EXPECT_TRUE(fs::is_empty(options_.dir / "tmp"));
  EXPECT_TRUE(store_->reconcile(known_images({stored})).missing.empty());
  std::erase_if(expected,
                [&](const std::string& name) { return name.ends_with("abc123") || name.starts_with(to_hex(half)); });
  EXPECT_EQ(files(), expected);
  ASSERT_EQ(store_->orphans().size(), 1u);
  EXPECT_EQ(store_->orphans()[0].name, to_hex(sha256("unrecorded")) + ".img");
}

TEST_F(ReconcileTest, NoImageGoesForWantOfARow) {
  const auto kept = upload(random_image(1000, 1));
  const auto forgotten = upload(random_image(2000, 2));
  ASSERT_TRUE(prepare(forgotten.checksum, 512));
  store_.reset();
  std::ofstream(file(kept.checksum, ".damaged")) << "evidence";
  std::ofstream(file(sha256("rotten"), ".damaged")) << "evidence";
  std::ofstream(options_.dir / "README") << "somebody else's";
  fs::create_directory(options_.dir / "lost+found");
  const auto before = files();
  reopen({kept});
  EXPECT_EQ(files(), before);
  const auto orphans = store_->orphans();
  ASSERT_EQ(orphans.size(), 2u);
  std::set<std::string> names;
  for (const auto& orphan : orphans) names.insert(orphan.name);
  EXPECT_EQ(names, (std::set<std::string>{to_hex(forgotten.checksum) + ".img", to_hex(sha256("rotten")) + ".damaged"}));
  for (const auto& orphan : orphans) EXPECT_GT(orphan.since, WallTime{Millis{1'600'000'000'000}});
  EXPECT_FALSE(store_->image(forgotten.checksum)) << "nobody may have it";
}

TEST_F(ReconcileTest, AnotherDatabaseTakesNothingAway) {
  const auto a = upload("a");
  const auto b = upload("bb");
  const auto before = files();
  reopen({});
  EXPECT_EQ(files(), before);
  EXPECT_EQ(store_->orphans().size(), 2u);
  reopen({a, b});
  EXPECT_TRUE(store_->orphans().empty());
  EXPECT_TRUE(check(a.checksum, 0, 1));
}

TEST_F(ReconcileTest, AnOrphanIsExaminedAndRemovedWhenAsked) {
  const auto good = upload(random_image(1'200'000));
  store_.reset();
  std::ofstream(file(sha256("x"), ".img")) << "y";
  reopen({});
  const auto examined = store_->examine(to_hex(good.checksum) + ".img");
  ASSERT_TRUE(examined) << examined.error().message;
  EXPECT_EQ(examined->size, 1'200'000u);
  EXPECT_EQ(store_->examine(to_hex(sha256("x")) + ".img").error().code, Errc::image_damaged);
  EXPECT_EQ(store_->examine(to_hex(sha256("none")) + ".img").error().code, Errc::not_found);
  for (const auto* name : {"../otad.db", "README", "", "tmp", "/etc/passwd"})
    EXPECT_EQ(store_->examine(name).error().code, Errc::malformed) << name;
  store_->remove(good.checksum);
  store_->remove(sha256("x"));
  EXPECT_TRUE(files().empty());
}

TEST_F(ReconcileTest, AnswersWhatIsMissingOrOfAnotherSize) {
  const auto good = upload(random_image(1000, 1));
  const auto gone = upload(random_image(1000, 2));
  const auto cut = upload(random_image(1000, 3));
  store_.reset();
  fs::remove(file(gone.checksum, ".img"));
  fs::resize_file(file(cut.checksum, ".img"), 999);
  open();
  const auto found = store_->reconcile(known_images({good, gone, cut, gone}));
  EXPECT_EQ(found.missing, (std::vector<Digest>{gone.checksum, cut.checksum}));
  EXPECT_TRUE(store_->missing(gone.checksum));
  EXPECT_TRUE(store_->missing(cut.checksum)) << "perhaps a copy that isn't complete yet";
  EXPECT_FALSE(store_->missing(good.checksum));
  EXPECT_TRUE(store_->image(good.checksum));
  EXPECT_FALSE(store_->image(gone.checksum));
  EXPECT_FALSE(store_->image(cut.checksum));
  EXPECT_TRUE(fs::exists(file(cut.checksum, ".img")));
  upload(random_image(1000, 3));
  EXPECT_TRUE(check(cut.checksum, 0, 1000));
  upload(random_image(1000, 2));
  EXPECT_FALSE(store_->missing(gone.checksum));
}

/// What comes back is looked for once a second.
class ReturnTest : public StoreTest {
 protected:
  void SetUp() override {
    options_.look_every = std::chrono::seconds(1);
    StoreTest::SetUp();
  }
  /// All files of the store but its lock and folders, moved out of the way and back.
  void unmount() {
    fs::create_directory(away_);
    for (const auto& name : files()) fs::rename(options_.dir / name, away_ / name);
  }
  void mount() {
    for (const auto& entry : fs::directory_iterator(away_))
      fs::rename(entry.path(), options_.dir / entry.path().filename());
  }
  const fs::path away_ = dir_.path() / "away";
};

TEST_F(ReturnTest, AFolderThatIsMountedLaterIsUsedWithoutAStart) {
  const auto a = upload(random_image(700'000, 1));
  const auto b = upload(random_image(1000, 2));
  store_.reset();
  unmount();
  open();
  EXPECT_EQ(store_->reconcile(known_images({a, b})).missing.size(), 2u);
  store_->start_scrub();
  mount();
  ASSERT_TRUE(returns_.wait_for(2));
  EXPECT_TRUE(check(a.checksum, 0, a.size));
  EXPECT_TRUE(check(b.checksum, 0, b.size));
  EXPECT_FALSE(store_->missing(a.checksum));
  EXPECT_TRUE(damages_.all().empty());
}

TEST_F(ReturnTest, AFolderThatGoesWhileItRunsComesBack) {
  const auto a = upload(random_image(1000, 1));
  reopen({a});
  unmount();
  EXPECT_FALSE(store_->image(a.checksum));
  ASSERT_TRUE(losses_.wait_for(1));
  EXPECT_TRUE(store_->missing(a.checksum));
  store_->start_scrub();
  mount();
  ASSERT_TRUE(returns_.wait_for(1));
  EXPECT_TRUE(check(a.checksum, 0, a.size));
  EXPECT_TRUE(damages_.all().empty()) << "it was never rotten";
}

TEST_F(ReturnTest, ADamagedImageWhoseFileIsWholeIsUsedAgain) {
  const auto a = upload(random_image(1000, 1));
  const auto b = upload(random_image(1000, 2));
  store_.reset();
  fs::rename(file(b.checksum, ".img"), file(b.checksum, ".damaged"));
  open();
  EXPECT_TRUE(store_->reconcile({{a.checksum, a.size, true}, {b.checksum, b.size, true}}).missing.empty());
  EXPECT_FALSE(store_->image(a.checksum));
  store_->start_scrub();
  ASSERT_TRUE(returns_.wait_for(2));
  EXPECT_TRUE(check(a.checksum, 0, a.size));
  EXPECT_TRUE(check(b.checksum, 0, b.size));
}

TEST_F(ReturnTest, WhatComesBackWithOtherBytesIsNotUsedAndNotRemoved) {
  const auto a = upload(random_image(1000, 1));
  const auto b = upload(random_image(1000, 2));
  store_.reset();
  unmount();
  open();
  store_->reconcile(known_images({a, b}));
  store_->start_scrub();
  flip(away_ / (to_hex(a.checksum) + ".img"), 10);
  mount();
  ASSERT_TRUE(returns_.wait_for(1));
  EXPECT_EQ(returns_.all(), std::vector<Digest>{b.checksum});
  EXPECT_TRUE(store_->missing(a.checksum));
  EXPECT_TRUE(fs::exists(file(a.checksum, ".img")));
  flip(file(a.checksum, ".img"), 10);
  ASSERT_TRUE(returns_.wait_for(2));
  EXPECT_TRUE(check(a.checksum, 0, a.size));
}

TEST_F(ReconcileTest, TheFolderBelongsToOneStore) {
  const auto second = Store::open(options_, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::in_use);
  EXPECT_NE(second.error().message.find(options_.dir.string()), std::string::npos);
  store_.reset();
  EXPECT_TRUE(Store::open(options_, {}));
}

TEST_F(ReconcileTest, AFolderThatCannotBeMadeIsNamed) {
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
