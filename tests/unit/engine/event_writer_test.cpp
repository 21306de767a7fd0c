// What becomes an event (docs/events.md), and that it is written with what makes it true.
#include <gmock/gmock.h>

#include "support/sqlite_faults.hpp"
#include "unit/engine/fleet_fixture.hpp"

namespace ota::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EventWriterTest : public FleetTest {
 protected:
  EventWriterTest() { seen(); }

  std::vector<Event> fresh() {
    auto page = db->event_log().list({}, seen_, 1'000);
    seen_ = page.last;
    return std::move(page.events);
  }
  /// Since the last call, as `type subject`.
  std::vector<std::string> seen() {
    std::vector<std::string> texts;
    for (const auto& event : fresh()) texts.push_back(std::string(to_string(event.type)) + " " + event.subject);
    return texts;
  }
  std::string data_of(EventType type) {
    for (const auto& event : db->event_log().list({}, 0, 1'000).events)
      if (event.type == type) return event.data;
    return {};
  }

  std::int64_t seen_ = 0;
};

TEST_F(EventWriterTest, TheLifeOfATask) {
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_THAT(seen(), ElementsAre("device.registered gw-1"));
  const auto id = upgrade(order("gw-1", "2.0.0")).value().task.id;
  EXPECT_THAT(seen(), ElementsAre("task.created " + id.str(), "task.offered " + id.str()));
  chunk("gw-1", id, 0, 0);
  advance(1s);
  EXPECT_THAT(seen(), ElementsAre("task.downloading " + id.str()));
  chunk("gw-1", id, 1, 1);
  advance(1s);
  EXPECT_THAT(seen(), IsEmpty()) << "a further chunk is no event";
  verify("gw-1", id, 2);
  EXPECT_THAT(seen(), ElementsAre("task.installing " + id.str()));
  request("gw-1", says("gw-a", "2.0.0"));
  const auto last = fresh();
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[0].type, EventType::device_version_changed);
  EXPECT_EQ(last[0].data, R"({"from_version":"1.0.0","version":"2.0.0","confirmed":true})");
  EXPECT_EQ(last[1].type, EventType::task_succeeded);
  EXPECT_EQ(last[1].subject, id.str());
  EXPECT_EQ(last[1].device, "gw-1");
  EXPECT_EQ(last[1].channel, "default");
  EXPECT_EQ(last[1].time, clock.wall());
  EXPECT_THAT(last[1].data, HasSubstr(R"("firmware_version":"2.0.0","from_version":"1.0.0","attempt":1)"));
  EXPECT_THAT(last[1].data, HasSubstr(R"("confirmed":true)"));
}

TEST_F(EventWriterTest, ATaskThatIsCancelledSaysWhy) {
  const auto id = task_for("gw-1", "2.0.0");
  seen();
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, id, "anna"); }));
  EXPECT_THAT(seen(), ElementsAre("task.cancelled " + id.str()));
  EXPECT_THAT(data_of(EventType::task_cancelled), HasSubstr(R"("reason":"cancelled")"));
}

TEST_F(EventWriterTest, ARolloutFromItsMakingToItsHalt) {
  devices(20);
  seen();
  auto wanted = spec();
  wanted.stages.clear();
  const auto id = rollout(wanted);
  auto first = seen();
  ASSERT_EQ(first.size(), 3u + 20u + 20u) << "with its tasks, made and offered";
  first.resize(3);
  EXPECT_THAT(first, ElementsAre("rollout.created " + id.str(), "rollout.started " + id.str(),
                                 "rollout.stage_opened " + id.str()));
  EXPECT_EQ(fetches("gw-1"), "success");
  seen();
  says_state("gw-1", DeviceState::rolled_back);
  const auto all = seen();
  EXPECT_THAT(all, testing::Contains("rollout.halted " + id.str()));
  EXPECT_THAT(data_of(EventType::rollout_halted), HasSubstr(R"("reason":"budget_spent","by":"engine")"));
  EXPECT_THAT(data_of(EventType::rollout_halted), HasSubstr(R"("failed":1)"));
  const auto made = data_of(EventType::task_created);
  EXPECT_THAT(made, HasSubstr("\"rollout_id\":\"" + id.str() + "\""));
  ASSERT_TRUE(command(id, RolloutEvent::cancel, "bob"));
  EXPECT_THAT(seen(), testing::Contains("rollout.cancelled " + id.str()));
  EXPECT_THAT(data_of(EventType::rollout_cancelled), HasSubstr(R"("by":"bob")"));
}

TEST_F(EventWriterTest, StagesPauseAndResume) {
  devices(20);
  const auto id = rollout(spec());
  seen();
  ASSERT_TRUE(command(id, RolloutEvent::pause));
  ASSERT_TRUE(command(id, RolloutEvent::resume));
  ASSERT_TRUE(command(id, RolloutEvent::advance));
  EXPECT_THAT(seen(), testing::IsSupersetOf({"rollout.paused " + id.str(), "rollout.resumed " + id.str(),
                                             "rollout.stage_passed " + id.str(), "rollout.stage_opened " + id.str()}));
  ASSERT_TRUE(command(id, RolloutEvent::finish));
  EXPECT_THAT(seen(), testing::Contains("rollout.completed " + id.str()));
}

TEST_F(EventWriterTest, FirmwareComesIsBlockedDamagedAndGoes) {
  const auto firmware = add_firmware("9.0.0", "gw-z", 9);
  const auto id = std::to_string(firmware.id);
  EXPECT_THAT(seen(), ElementsAre("firmware.uploaded " + id));
  add_firmware("9.0.0", "gw-z", 9);
  EXPECT_THAT(seen(), IsEmpty()) << "the same content again";
  ASSERT_TRUE(unit([&](auto& s) { return on_block_firmware(s, firmware.id, "breaks radios"); }));
  ASSERT_TRUE(unit([&](auto& s) { return on_block_firmware(s, firmware.id, {}); }));
  EXPECT_THAT(seen(), ElementsAre("firmware.blocked " + id));
  unit([&](auto& s) { on_image_damaged(s, firmware.checksum); });
  EXPECT_THAT(seen(), ElementsAre("firmware.damaged " + id));
  ASSERT_TRUE(unit([&](auto& s) { return on_remove_firmware(s, firmware.id); }));
  EXPECT_THAT(seen(), ElementsAre("firmware.removed " + id));
}

TEST_F(EventWriterTest, DevicesAreRegisteredMovedAndRemoved) {
  unit([](auto& s) { on_put_channel(s, {"beta", {}, {}, {}}); });
  DeviceChange change;
  change.device = "gw-1";
  change.may_create = true;
  change.channel = "beta";
  ASSERT_TRUE(unit([&](auto& s) { return on_change_device(s, change); }));
  EXPECT_THAT(seen(), ElementsAre("device.registered gw-1"));
  EXPECT_EQ(row_of("gw-1")->channel, "beta");
  request("gw-1");
  EXPECT_THAT(seen(), IsEmpty()) << "it was registered before its first message";
  change.channel = "default";
  ASSERT_TRUE(unit([&](auto& s) { return on_change_device(s, change); }));
  EXPECT_THAT(seen(), ElementsAre("device.moved gw-1"));
  EXPECT_EQ(data_of(EventType::device_moved), R"({"from_channel":"beta"})");
  ASSERT_TRUE(unit([&](auto& s) { return on_remove_device(s, "gw-1", "anna"); }));
  EXPECT_THAT(seen(), ElementsAre("device.removed gw-1"));
}

TEST_F(EventWriterTest, DevicesAreLostOnceAndReturn) {
  advance(61s);  // the place from which absence counts
  devices(3);
  seen();
  advance(std::chrono::hours{24 * 6});
  request("gw-2", says("gw-a", "1.0.0"));
  advance(std::chrono::hours{25});
  EXPECT_THAT(seen(), testing::UnorderedElementsAre("device.lost gw-1", "device.lost gw-3"));
  advance(std::chrono::hours{1});
  restart();
  advance(61s);
  EXPECT_THAT(seen(), IsEmpty()) << "each once";
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_THAT(seen(), ElementsAre("device.returned gw-1"));
  request("gw-1", says("gw-a", "1.0.0"));
  request("gw-2", says("gw-a", "1.0.0"));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(EventWriterTest, WhoWasLostBeforeThereWereEventsIsNoNews) {
  devices(2);
  clock.advance(std::chrono::hours{24 * 20});
  seen();
  db->metadata().set_value("lost_up_to", "");  // as in a database of before
  service->absence.resync();
  advance(61s);
  EXPECT_THAT(seen(), IsEmpty());
  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_THAT(seen(), ElementsAre("device.returned gw-1"));
}

TEST_F(EventWriterTest, OldEventsGo) {
  options.events.keep_days = 14;
  request("gw-1");
  EXPECT_LT(db->event_log().oldest(), db->event_log().newest() + 1);
  advance(std::chrono::hours{24 * 15});
  const auto left = db->event_log().list({}, 0, 100).events;
  for (const auto& event : left) EXPECT_EQ(event.time, clock.wall());
}

TEST_F(EventWriterTest, NothingIsWrittenOfWhatWasUndone) {
  request("gw-1");
  seen();
  EXPECT_ANY_THROW(unit([](TaskService& s) {
    s.events.server(EventType::server_degraded, "disk", "by the test");
    throw std::runtime_error("by the test");
  }));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_F(EventWriterTest, ADatabaseThatWasOpenedAfreshIsSaid) {
  reopen();
  unit([](auto&) {});
  EXPECT_THAT(seen(), testing::Contains("server.recovered server"));
  EXPECT_THAT(data_of(EventType::server_recovered), HasSubstr(R"("component":"database","detail":"by the test")"));
}

}  // namespace
}  // namespace ota::engine
