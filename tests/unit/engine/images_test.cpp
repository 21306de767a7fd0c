// Images whose file is not there: tasks wait, and go on once it is.
#include <gtest/gtest.h>

#include "engine/commands.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class MissingImages : public TaskServiceTest {
 protected:
  /// As the engine does for a note: unit by unit until nothing is left. Answers how many it took.
  int changed(const Digest& image) {
    TaskCursor at;
    int units = 1;
    while (!unit([&](auto& s) { return on_image_changed(s, image, at); })) ++units;
    return units;
  }
  void lose(const Firmware& firmware) {
    images.absent.insert(firmware.checksum);
    changed(firmware.checksum);
  }
  void find_again(const Firmware& firmware) {
    images.absent.erase(firmware.checksum);
    changed(firmware.checksum);
  }
};

TEST_F(MissingImages, AnOrderWaitsAndItsTurnComesWithTheImage) {
  const auto firmware = add_firmware("2.0.0");
  lose(firmware);
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(request("gw-1")));
  EXPECT_EQ(images.asked, 0) << "its digests can't be made";
  advance(600s);
  EXPECT_EQ(state_of(id), TaskState::queued);
  request("gw-1");
  pushes();
  find_again(firmware);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(MissingImages, ADownloadGoesOnWhereItWas) {
  const auto firmware = add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 1);
  pushes();
  lose(firmware);
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_EQ(row(id).attempt, 1);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 cancel"});
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 0);
  find_again(firmware);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
  const auto offer = std::get<Offer>(request("gw-1"));
  EXPECT_EQ(offer.task, id);
  EXPECT_EQ(offer.missing, (ChunkRanges{{2, 3}}));
  EXPECT_EQ(offer.attempt, 1);
}

TEST_F(MissingImages, OthersTakeTheirTurnMeanwhile) {
  lose(add_firmware("2.0.0", "gw-a", 1));
  add_firmware("2.1.0", "gw-a", 2);
  const auto waits = task_for("gw-1", "2.0.0", Priority::high);
  const auto goes = task_for("gw-1", "2.1.0", Priority::low);
  const auto other = task_for("gw-2", "2.1.0");
  EXPECT_EQ(state_of(waits), TaskState::queued);
  EXPECT_EQ(state_of(goes), TaskState::offered);
  EXPECT_EQ(state_of(other), TaskState::offered);
}

TEST_F(MissingImages, WhatWasVerifiedAlreadyNeedsItNoMore) {
  const auto firmware = add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  chunk("gw-1", id, 0, 3);
  verify("gw-1", id, 1);
  ASSERT_EQ(state_of(id), TaskState::installing);
  lose(firmware);
  EXPECT_EQ(state_of(id), TaskState::installing);
}

TEST_F(MissingImages, FirmwareThatWasDamagedIsGoodAgain) {
  const auto firmware = add_firmware("2.0.0");
  unit([&](auto& s) { return on_image_damaged(s, firmware.checksum); });
  ASSERT_TRUE(service->rows.firmware.find(firmware.id)->damaged);
  images.gone.insert(firmware.checksum);
  changed(firmware.checksum);
  EXPECT_TRUE(service->rows.firmware.find(firmware.id)->damaged) << "neither missing nor whole";
  images.gone.clear();
  find_again(firmware);
  EXPECT_FALSE(service->rows.firmware.find(firmware.id)->damaged);
  EXPECT_EQ(service->stats.damaged, 0u);
  EXPECT_EQ(state_of(task_for("gw-1", "2.0.0")), TaskState::offered);
}

TEST_F(MissingImages, ManyTasksAreLookedAtBitByBit) {
  add_firmware("1.0.0", "gw-b", 1);
  const auto firmware = add_firmware("2.0.0");
  lose(firmware);
  const int tasks = 1'100;
  for (int i = 0; i < tasks; ++i) task_for("gw-" + std::to_string(i), "2.0.0");
  images.absent.clear();
  EXPECT_GE(changed(firmware.checksum), 3);
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 2);
  Task last;
  last.priority = Priority::low;
  last.id.number = INT64_MAX;
  EXPECT_EQ(service->rows.tasks().ready_before(last, 10'000), tasks - 2);
}

TEST_F(TaskServiceTest, FirmwareWithoutAFileGetsOneWhenItsImageWasRead) {
  const auto old = add_firmware("2.0.0", "gw-a");
  const auto twin = add_firmware("2.0.0", "");
  const auto other = add_firmware("2.1.0", "gw-a", 2);
  const firmware::Stored image{old.checksum, old.size, {1}, {2}, true};
  unit([&](auto& s) { on_image_hashed(s, image); return 0; });
  const auto& catalogue = service->rows.firmware;
  EXPECT_EQ(catalogue.find(old.id)->file->name, "gw-a-2.0.0.swu");
  EXPECT_EQ(catalogue.find(old.id)->file->sha1, image.sha1);
  EXPECT_EQ(catalogue.find(twin.id)->file->md5, image.md5);
  EXPECT_FALSE(catalogue.find(other.id)->file);

  auto named = *catalogue.find(old.id);
  named.file->name = "mine.swu";
  service->rows.firmware.update(named);
  unit([&](auto& s) { on_image_hashed(s, image); return 0; });
  EXPECT_EQ(catalogue.find(old.id)->file->name, "mine.swu") << "it has one";
}

}  // namespace
}  // namespace ota::engine
