// Devices that nobody stands behind: how many are taken in, what they hold, when they go.
#include <gmock/gmock.h>

#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Strangers : public TaskServiceTest {
 protected:
  Strangers() { set(600); }

  void set(int per_minute) {
    options.devices.unproven_per_minute = per_minute;
    service->set_options(options);
  }

  static Credentials with(std::uint8_t token) {
    Credentials who;
    who.token_digest = digest_of(token);
    who.token_fit = true;
    who.remote = "192.0.2.7:4711";
    return who;
  }

  Answer ask(const std::string& device, Credentials who = {}, std::optional<std::string> version = {}) {
    auto message = says();
    message.version = std::move(version);
    return unit([&](auto& s) { return on_message(s, *DeviceId::parse(device), who, message); }).value();
  }
  std::optional<Errc> refused(const std::string& device, const Credentials& who = {}) {
    const auto answer = ask(device, who);
    if (const auto* error = std::get_if<ErrorAnswer>(&answer)) return error->error.code;
    return {};
  }
  TaskId asked_for(const std::string& device, const std::string& version) {
    ask(device, {}, version);
    return open_of(device, version).value().id;
  }
  void registers(const std::string& device) {
    DeviceChange change;
    change.device = device;
    change.may_create = true;
    unit([&](auto& s) { return on_change_device(s, change); }).value();
  }
  std::vector<AuditEntry> audited() { return service->rows.audit_log.list({}, 0, 1'000); }
  /// As the engine does it each minute, until nothing is left.
  void housekeeping() {
    while (unit([](auto& s) { return s.housekeeping.run(); })) {
    }
  }
  void pass(std::chrono::hours time) {
    clock.advance(time);
    unit([](auto& s) { s.timers.run(); });
    housekeeping();
  }
};

TEST_F(Strangers, SoManyAreTakenInAMinute) {
  set(3);
  for (const auto* id : {"a", "b", "c"}) EXPECT_FALSE(refused(id)) << id;
  const auto answer = ask("d");
  const auto& error = error_in(answer).error;
  EXPECT_EQ(error.code, Errc::too_many_new);
  EXPECT_EQ(error.retry_after_s, 20);
  EXPECT_THAT(error.message, HasSubstr("device d is new"));
  EXPECT_THAT(error.message, HasSubstr("PUT /devices/d"));
  EXPECT_FALSE(row_of("d"));
  EXPECT_EQ(refused("e", with(1)), Errc::too_many_new) << "a secret that it brings itself proves nothing yet";
  EXPECT_FALSE(refused("a")) << "who is known is heard";
  Credentials certified;
  certified.certified = true;
  EXPECT_FALSE(refused("f", certified));
  Credentials gateway;
  gateway.gateway = true;
  EXPECT_FALSE(refused("gateway", gateway));
  registers("g");
  EXPECT_FALSE(refused("g"));
  add_firmware("2.0.0");
  ASSERT_TRUE(upgrade(order("h", "2.0.0")));
  EXPECT_FALSE(refused("h")) << "an operator's order brought it in";
  clock.advance(20s);
  EXPECT_FALSE(refused("d"));
  EXPECT_EQ(refused("e"), Errc::too_many_new);
}

TEST_F(Strangers, RefusedOnesTakeNoPlace) {
  set(1);
  options.devices.token_required = true;
  service->set_options(options);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(refused("a" + std::to_string(i)), Errc::not_authorized);
  EXPECT_FALSE(refused("b", with(1)));
}

TEST_F(Strangers, GoWithWhatOnlyTheyAskedFor) {
  add_firmware("2.0.0");
  const auto waits = asked_for("gone", "2.0.0");
  chunk("gone", waits, 0, 0);
  pass(std::chrono::hours{7 * 24 - 1});
  EXPECT_TRUE(row_of("gone"));
  pass(std::chrono::hours{2});
  EXPECT_FALSE(row_of("gone"));
  EXPECT_FALSE(service->rows.tasks().find(waits.number));
  EXPECT_THAT(log_of(waits), IsEmpty());
  EXPECT_FALSE(refused("gone")) << "it may come again";
}

TEST_F(Strangers, OneLeavesSoManyTasksAndNoMore) {
  add_firmware("2.0.0");
  std::vector<TaskId> made;
  for (int i = 0; i < kEndedOfStranger + 4; ++i) {
    made.push_back(asked_for("gw-1", "2.0.0"));
    if (i == 1)
      verify("gw-1", made.back(), 1);
    else
      unit([&](auto& s) { return on_cancel(s, made.back(), "tester"); }).value();
    if (i == 1) request("gw-1", says("gw-a", "1.0.0"));  // or it would need no other
  }
  EXPECT_FALSE(service->rows.tasks().find(made[0].number)) << "the oldest went";
  EXPECT_THAT(log_of(made[0]), IsEmpty());
  EXPECT_TRUE(service->rows.tasks().find(made[1].number)) << "its last update stays";
  EXPECT_FALSE(service->rows.tasks().find(made[2].number));
  EXPECT_TRUE(service->rows.tasks().find(made[4].number));
  EXPECT_EQ(service->rows.tasks().list({}, 100).rows.size(), kEndedOfStranger + 2u);
}

TEST_F(Strangers, OneWritesSoManyLinesAndNoMore) {
  add_firmware("2.0.0");
  const auto id = asked_for("gw-1", "2.0.0");
  for (int i = 0; i < kLinesOfStranger + 50; ++i) state("gw-1", id, DeviceState::downloading);
  EXPECT_EQ(log_of(id).size(), static_cast<std::size_t>(kLinesOfStranger));
  registers("gw-1");
  state("gw-1", id, DeviceState::downloading);
  EXPECT_EQ(log_of(id).size(), kLinesOfStranger + 1u) << "an operator stands behind it now";
}

TEST_F(Strangers, OthersStay) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 2);
  registers("registered");
  ask("secret", with(1));
  Credentials certified;
  certified.certified = true;
  ask("certified", certified);
  ask("ordered");
  const auto order_of = task_for("ordered", "2.0.0");
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, order_of, "tester"); }));
  const auto own = asked_for("adopted", "2.0.0");
  ASSERT_FALSE(upgrade(order("adopted", "2.0.0")).value().created) << "it runs already";
  EXPECT_FALSE(row(own).unasked) << "now an operator wants it";
  const auto raised = asked_for("raised", "2.0.0");
  ASSERT_TRUE(unit([&](auto& s) { return on_set_priority(s, raised, Priority::normal, "tester"); }));
  ask("heard");
  pass(std::chrono::hours{6 * 24});
  ask("heard");
  pass(std::chrono::hours{3 * 24});
  for (const auto* id : {"registered", "secret", "certified", "ordered", "adopted", "raised", "heard"})
    EXPECT_TRUE(row_of(id)) << id;
}

TEST_F(Strangers, ManyGoInSteps) {
  set(1'000'000);
  unit([](auto& s) {
    for (int i = 0; i < 4'500; ++i)
      static_cast<void>(on_message(s, *DeviceId::parse("stranger-" + std::to_string(i)), {}, says()));
  });
  registers("stranger-0");
  clock.advance(std::chrono::hours{8 * 24});
  unit([](auto& s) { s.timers.run(); });
  int steps = 2;  // one was the engine's own, after so much time
  while (unit([](auto& s) { return s.housekeeping.run(); })) ++steps;
  EXPECT_EQ(steps, 4) << "2,000 are looked at in each, and the last has nothing to do";
  EXPECT_TRUE(row_of("stranger-0"));
  EXPECT_EQ(service->rows.devices().list({}, 10).rows.size(), 1u);
}

TEST_F(Strangers, ClaimsAreAuditedWithTheirAddressUpToARate) {
  EXPECT_FALSE(refused("plain"));
  EXPECT_THAT(audited(), IsEmpty()) << "a new device alone is no row";
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(refused("d" + std::to_string(i), with(static_cast<std::uint8_t>(i))));
  auto rows = audited();
  ASSERT_EQ(rows.size(), 60u);
  EXPECT_EQ(rows.back().caller.name, "device");
  EXPECT_EQ(rows.back().caller.remote, "192.0.2.7:4711");
  EXPECT_EQ(rows.back().action, "device.token");
  EXPECT_EQ(rows.back().target, "d0");
  clock.advance(10s);
  refused("later", with(200));
  rows = audited();
  ASSERT_EQ(rows.size(), 62u);
  EXPECT_EQ(rows[0].target, "later");
  EXPECT_EQ(rows[1].target, "40 devices");
  EXPECT_EQ(rows[1].outcome, "not written down");
}

TEST_F(Strangers, WhatAnOperatorOrderedComesFirst) {
  add_firmware("2.0.0");
  const auto a = asked_for("stranger-a", "2.0.0");
  const auto b = asked_for("stranger-b", "2.0.0");
  const auto c = asked_for("stranger-c", "2.0.0");
  EXPECT_EQ(state_of(a), TaskState::offered);
  EXPECT_EQ(state_of(b), TaskState::offered);
  EXPECT_EQ(state_of(c), TaskState::queued) << "two slots";
  chunk("stranger-a", a, 0, 0);
  chunk("stranger-b", b, 0, 0);
  pushes();
  const auto low = task_for("ordered", "2.0.0", Priority::low);
  EXPECT_EQ(state_of(low), TaskState::offered);
  EXPECT_EQ(state_of(b), TaskState::queued) << "the youngest gives way";
  EXPECT_EQ(state_of(a), TaskState::downloading);
  EXPECT_THAT(pushes(), ElementsAre("stranger-b cancel", "ordered metadata"));
  EXPECT_EQ(row(b).chunks_have, 1u) << "it goes on from there";
  const auto another = task_for("another", "2.0.0", Priority::low);
  EXPECT_EQ(state_of(another), TaskState::offered);
  EXPECT_EQ(state_of(a), TaskState::queued);
  EXPECT_EQ(task_for("third", "2.0.0", Priority::high).number, another.number + 1);
  EXPECT_EQ(state_of(low), TaskState::offered) << "what was ordered doesn't give way to what was ordered";
  const auto queued = std::get<QueuedAnswer>(ask("stranger-c"));
  EXPECT_EQ(queued.position, 4) << "behind the third, a and b, though all are of normal priority";
}

TEST_F(Strangers, HowLongTheyWaitDoesNotBringThemBeforeOthers) {
  add_firmware("2.0.0");
  options.tasks.max_active = 1;
  service->set_options(options);
  const auto holder = task_for("holder", "2.0.0");
  const auto old = asked_for("stranger", "2.0.0");
  clock.advance(std::chrono::hours{2});
  ask("stranger");
  const auto fresh = task_for("ordered", "2.0.0", Priority::low);
  ask("ordered");
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, holder, "tester"); }));
  EXPECT_EQ(state_of(fresh), TaskState::offered);
  EXPECT_EQ(state_of(old), TaskState::queued);
}

TEST_F(Strangers, TheirOwnDevicesOrderComesBeforeTheirs) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 2);
  const auto own = asked_for("gw-1", "2.0.0");
  chunk("gw-1", own, 0, 0);
  const auto ordered = task_for("gw-1", "3.0.0", Priority::low);
  EXPECT_EQ(state_of(ordered), TaskState::offered) << "a slot is free, but the device is one";
  EXPECT_EQ(state_of(own), TaskState::queued);
}

TEST_F(Strangers, WhoIsVouchedForHoldsItsPlace) {
  add_firmware("2.0.0");
  const auto a = asked_for("a", "2.0.0");
  const auto b = asked_for("b", "2.0.0");
  const auto c = asked_for("c", "2.0.0");
  registers("a");
  ASSERT_TRUE(unit([&](auto& s) { return on_set_secret(s, "b", digest_of(9)); }));
  Credentials certified;
  certified.certified = true;
  ask("c", certified);
  for (const auto& id : {a, b, c}) EXPECT_FALSE(row(id).unasked) << id.str();
  const auto ordered = task_for("ordered", "2.0.0");
  EXPECT_EQ(state_of(ordered), TaskState::queued);
  EXPECT_EQ(state_of(a), TaskState::offered);
  EXPECT_EQ(state_of(b), TaskState::offered);
}

TEST_F(Strangers, ASecretOfTheirOwnChoiceIsNoProof) {
  add_firmware("2.0.0");
  ask("gw-1", with(1), "2.0.0");
  EXPECT_TRUE(open_of("gw-1", "2.0.0").value().unasked);
  EXPECT_TRUE(row_of("gw-1")->claimed);
  ASSERT_TRUE(unit([&](auto& s) { return on_set_secret(s, "gw-1", digest_of(9)); }));
  EXPECT_FALSE(row_of("gw-1")->claimed);
}

TEST_F(Strangers, WhatTheyClaimToHaveIsNoMovement) {
  add_firmware("2.0.0", "gw-a", 1, 1'000ull * 524'288);
  const auto fake = asked_for("fake", "2.0.0");
  chunk("fake", fake, 0, 0);
  EXPECT_EQ(state_of(fake), TaskState::downloading);
  for (std::uint32_t i = 1; i < 200 && !is_ended(state_of(fake)); ++i) {
    advance(10s);
    chunk("fake", fake, i, i);
  }
  EXPECT_EQ(state_of(fake), TaskState::failed) << "heard, and yet not one byte left from here";
  EXPECT_EQ(row(fake).reason, "stalled");
}

TEST_F(Strangers, BytesFromHereAreMovement) {
  add_firmware("2.0.0", "gw-a", 1, 1'000ull * 524'288);
  const auto task = asked_for("gw-1", "2.0.0");
  for (std::uint32_t i = 0; i < 60; ++i) {
    transfers().bytes(task.number, 524'288);
    chunk("gw-1", task, i, i);
    advance(10s);
  }
  EXPECT_EQ(state_of(task), TaskState::downloading);
  EXPECT_EQ(row(task).attempt, 1);
  EXPECT_EQ(row(task).stalls, 0);
}

TEST_F(Strangers, BehindACacheOrderedTasksGoOn) {
  add_firmware("2.0.0", "gw-a", 1, 1'000ull * 524'288);
  const auto task = task_for("gw-1", "2.0.0");
  for (std::uint32_t i = 0; i < 60; ++i) {
    chunk("gw-1", task, i, i);
    advance(10s);
  }
  EXPECT_EQ(state_of(task), TaskState::downloading);
  EXPECT_EQ(row(task).attempt, 1);
}

TEST_F(Strangers, WhatOperatorsChangeIsMerged) {
  DeviceChange change;
  change.device = "gw-1";
  EXPECT_EQ(unit([&](auto& s) { return on_change_device(s, change); }).error().code, Errc::unknown_device);
  change.may_create = true;
  change.hardware = "gw-a";
  change.tags = {{"site", "north"}, {"rack", "7"}};
  EXPECT_TRUE(unit([&](auto& s) { return on_change_device(s, change); }).value().created);
  DeviceChange tags;
  tags.device = "gw-1";
  tags.tags = {{"rack", std::nullopt}, {"row", "2"}};
  auto device = unit([&](auto& s) { return on_change_device(s, tags); }).value().device;
  EXPECT_EQ(device.hardware, "gw-a") << "not given, so it stays";
  EXPECT_EQ(device.tags, (std::map<std::string, std::string>{{"row", "2"}, {"site", "north"}}));
  DeviceChange hardware;
  hardware.device = "gw-1";
  hardware.hardware = "";
  device = unit([&](auto& s) { return on_change_device(s, hardware); }).value().device;
  EXPECT_EQ(device.hardware, "");
  EXPECT_EQ(device.tags.size(), 2u);
  DeviceChange clear;
  clear.device = "gw-1";
  clear.clear_tags = true;
  EXPECT_TRUE(unit([&](auto& s) { return on_change_device(s, clear); }).value().device.tags.empty());
  DeviceChange many;
  many.device = "gw-1";
  for (std::size_t i = 0; i < DeviceChange::kMaxTags; ++i) many.tags[std::to_string(i)] = "x";
  EXPECT_TRUE(unit([&](auto& s) { return on_change_device(s, many); }));
  many.tags = {{"one more", "x"}};
  EXPECT_EQ(unit([&](auto& s) { return on_change_device(s, many); }).error().code, Errc::malformed);
  EXPECT_EQ(row_of("gw-1")->tags.size(), DeviceChange::kMaxTags);
}

}  // namespace
}  // namespace ota::engine
