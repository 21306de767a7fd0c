#include <gmock/gmock.h>

#include "engine/fleet_commands.hpp"
#include "ota/domain/download_allowance.hpp"
#include "support/sqlite_faults.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

using Queue = TaskServiceTest;

TEST_F(Queue, AbsentDevicesHoldNothing) {
  add_firmware("2.0.0");
  const auto id = upgrade(order("gw-1", "2.0.0")).value().task.id;
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_TRUE(pushes().empty());
  EXPECT_TRUE(std::holds_alternative<Offer>(request("gw-1")));
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 1);
}

TEST_F(Queue, ADeviceThatLeftLosesItsPlaceAndTakesItAgain) {
  add_firmware("2.0.0");
  task_for("gw-1", "2.0.0");
  task_for("gw-2", "2.0.0");
  const auto waiting = task_for("gw-3", "2.0.0");
  EXPECT_EQ(std::get<QueuedAnswer>(request("gw-3")).position, 1);
  EXPECT_EQ(service->rows.unit.queue().ready_of("gw-3"), waiting.number);
  for (int i = 0; i < 6; ++i) {
    advance(55s);
    chunk("gw-1", {waiting.day, 1}, 0, 0);
  }
  EXPECT_FALSE(service->rows.unit.queue().ready_of("gw-3"));
  EXPECT_TRUE(std::holds_alternative<Offer>(request("gw-3"))) << "the others stalled meanwhile";
}

TEST_F(Queue, OrderIsPriorityThenAge) {
  options.tasks.max_active = 1;
  service->set_options(options);
  add_firmware("2.0.0");
  const auto first = task_for("gw-0", "2.0.0");
  const auto low = task_for("gw-1", "2.0.0", Priority::low);
  const auto old_normal = task_for("gw-2", "2.0.0", Priority::normal);
  const auto normal = task_for("gw-3", "2.0.0", Priority::normal);
  const auto high = task_for("gw-4", "2.0.0", Priority::high);
  EXPECT_EQ(std::get<QueuedAnswer>(request("gw-1")).position, 4);
  EXPECT_EQ(std::get<QueuedAnswer>(request("gw-4")).position, 1);
  pushes();
  std::vector<std::string> order_of_offers;
  auto holder = std::pair{std::string("gw-0"), first};
  for (const auto& [device, id] : {std::pair{std::string("gw-4"), high},
                                   {std::string("gw-2"), old_normal},
                                   {std::string("gw-3"), normal},
                                   {std::string("gw-1"), low}}) {
    verify(holder.first, holder.second, 1);
    EXPECT_EQ(state_of(id), TaskState::offered) << device;
    EXPECT_EQ(pushes(), std::vector<std::string>{device + " metadata"});
    holder = {device, id};
  }
}

TEST_F(Queue, WhoWaitedLongRisesOneClassButNotIntoSecurity) {
  options.tasks.max_active = 1;
  options.tasks.stall_timeout_s = options.tasks.offer_timeout_s = 100'000;
  options.devices.present_s = 100'000;
  service->set_options(options);
  add_firmware("2.0.0");
  const auto holder = task_for("gw-0", "2.0.0");
  const auto normal = task_for("gw-1", "2.0.0", Priority::normal);
  advance(1h);
  const auto high = task_for("gw-2", "2.0.0", Priority::high);
  const auto security = task_for("gw-3", "2.0.0", Priority::security);
  EXPECT_EQ(state_of(security), TaskState::offered) << "takes the slot from gw-0";
  EXPECT_EQ(state_of(holder), TaskState::queued);
  verify("gw-3", security, 1);
  EXPECT_EQ(state_of(holder), TaskState::offered) << "oldest, and risen as well";
  verify("gw-0", holder, 1);
  EXPECT_EQ(state_of(normal), TaskState::offered) << "risen to high, and older than the high one";
  verify("gw-1", normal, 1);
  EXPECT_EQ(state_of(high), TaskState::offered);
}

TEST_F(Queue, OfOneDevicesTasksTheOneThatRoseGoesFirst) {
  options.tasks.max_active = 1;
  options.tasks.stall_timeout_s = options.tasks.offer_timeout_s = 100'000;
  options.devices.present_s = 100'000;
  service->set_options(options);
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 3);
  const auto holder = task_for("gw-0", "2.0.0");
  const auto normal = task_for("gw-1", "2.0.0", Priority::normal);
  advance(59min);
  const auto high = task_for("gw-1", "3.0.0", Priority::high);
  EXPECT_EQ(service->rows.unit.queue().ready_of("gw-1"), high.number);
  advance(2min);
  verify("gw-0", holder, 1);
  EXPECT_EQ(state_of(normal), TaskState::offered) << "risen to high by now, and older";
}

TEST_F(Queue, SlotsAreNeverExceeded) {
  add_firmware("2.0.0");
  for (int i = 0; i < 10; ++i) task_for("gw-" + std::to_string(i), "2.0.0");
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 2);
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 2);
}

TEST_F(Queue, SecurityTakesTheLowestRoutineSlot) {
  add_firmware("2.0.0");
  const auto low = task_for("gw-1", "2.0.0", Priority::low);
  const auto normal = task_for("gw-2", "2.0.0", Priority::normal);
  chunk("gw-1", low, 0, 1);
  pushes();
  const auto security = task_for("gw-3", "2.0.0", Priority::security);
  EXPECT_EQ(state_of(security), TaskState::offered);
  EXPECT_EQ(state_of(low), TaskState::queued);
  EXPECT_EQ(state_of(normal), TaskState::offered);
  EXPECT_EQ(pushes(), (std::vector<std::string>{"gw-1 cancel", "gw-3 metadata"}));
  verify("gw-3", security, 1);
  EXPECT_EQ(state_of(low), TaskState::offered);
  EXPECT_EQ(std::get<Offer>(request("gw-1")).missing, (ChunkRanges{{2, 3}})) << "its chunks are remembered";
}

TEST_F(Queue, SecurityNeverTakesFromSecurity) {
  add_firmware("2.0.0");
  task_for("gw-1", "2.0.0", Priority::security);
  task_for("gw-2", "2.0.0", Priority::security);
  const auto third = task_for("gw-3", "2.0.0", Priority::security);
  EXPECT_EQ(state_of(third), TaskState::queued);
}

TEST_F(Queue, SecurityComesFirstOnItsOwnDevice) {
  add_firmware("2.0.0");
  add_firmware("2.0.1", "gw-a", 2, 2'097'152, true);
  const auto routine = task_for("gw-1", "2.0.0");
  chunk("gw-1", routine, 0, 0);
  pushes();
  const auto security = task_for("gw-1", "2.0.1");
  EXPECT_EQ(row(security).priority, Priority::security) << "as the firmware is marked";
  EXPECT_EQ(state_of(security), TaskState::offered);
  EXPECT_EQ(state_of(routine), TaskState::queued);
  EXPECT_EQ(pushes(), (std::vector<std::string>{"gw-1 cancel", "gw-1 metadata"}));
  verify("gw-1", security, 2);
  EXPECT_EQ(state_of(routine), TaskState::cancelled) << "older than what it has now";
}

TEST_F(Queue, APreemptedTaskIsNotHeldForItsConfirmationBesideTheOther) {
  add_firmware("2.0.0");
  add_firmware("2.0.1", "gw-a", 2, 2'097'152, true);
  const auto routine = task_for("gw-1", "2.0.0", {}, true);
  const auto security = task_for("gw-1", "2.0.1");
  EXPECT_EQ(std::get<QueuedAnswer>(verify("gw-1", routine, 1)).task, routine);
  EXPECT_EQ(state_of(routine), TaskState::queued);
  EXPECT_EQ(state_of(security), TaskState::offered);
}

TEST_F(Queue, OneTaskADeviceAtATime) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 3);
  const auto first = task_for("gw-1", "2.0.0");
  const auto second = task_for("gw-1", "3.0.0", Priority::high);
  EXPECT_EQ(state_of(first), TaskState::offered);
  EXPECT_EQ(state_of(second), TaskState::queued) << "only security interrupts";
  verify("gw-1", first, 1);
  EXPECT_EQ(state_of(second), TaskState::offered);
}

TEST_F(Queue, NotBeforeAndExpiresAt) {
  add_firmware("2.0.0");
  request("gw-1");
  auto later = order("gw-1", "2.0.0");
  later.not_before = clock.wall() + 100s;
  later.expires_at = clock.wall() + 200s;
  const auto id = upgrade(later).value().task.id;
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(request("gw-1")));
  advance(99s);
  EXPECT_EQ(state_of(id), TaskState::queued);
  pushes();
  advance(2s);
  EXPECT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
  for (int i = 0; i < 2; ++i) {
    advance(45s);
    request("gw-1");
  }
  advance(10s);
  EXPECT_EQ(state_of(id), TaskState::expired);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 cancel"});
}

TEST_F(Queue, AnOfferThatNobodyTakesWaitsUntilTheDeviceIsHeard) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  pushes();
  advance(61s);
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_TRUE(pushes().empty()) << "not offered again by itself";
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 0);
  EXPECT_TRUE(std::holds_alternative<Offer>(request("gw-1")));
  EXPECT_EQ(row(id).attempt, 1) << "absence spends none";
}

TEST_F(Queue, ARequestKeepsAnOfferAlive) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  for (int i = 0; i < 5; ++i) {
    advance(50s);
    request("gw-1");
  }
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(Queue, SilenceParksTheTaskWithItsChunks) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 1);
  pushes();
  advance(61s);
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 retry"}) << "told once what is missing";
  advance(61s);
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_EQ(row(id).attempt, 1);
  EXPECT_EQ(std::get<Offer>(request("gw-1")).missing, (ChunkRanges{{2, 3}}));
}

TEST_F(Queue, HeardWithoutANewChunkSpendsAnAttempt) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 1);
  for (int attempt = 1; attempt <= 3; ++attempt) {
    pushes();
    for (int i = 0; i < 2 && row(id).attempt == attempt && state_of(id) != TaskState::failed; ++i) {
      advance(70s);
      if (!is_ended(state_of(id))) chunk("gw-1", id, 0, 0);
    }
  }
  EXPECT_EQ(state_of(id), TaskState::failed);
  EXPECT_EQ(row(id).reason, "stalled");
}

TEST_F(Queue, ANewChunkForgetsTheStall) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 0);
  for (std::uint32_t i = 1; i < 4; ++i) {
    advance(61s);
    chunk("gw-1", id, i, i);
    EXPECT_EQ(row(id).stalls, 0);
  }
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(row(id).attempt, 1);
}

TEST_F(Queue, SlowIsNotStuck) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  for (int i = 0; i < 5; ++i) {
    transfers().bytes(id.number, 100'000);
    advance(50s);
  }
  transfers().chunks(id.number, {0, 0}, Transport::http);
  for (int i = 0; i < 10; ++i) {
    advance(50s);
    transfers().bytes(id.number, 50'000);
  }
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(row(id).stalls, 0);
}

TEST_F(Queue, TheSameBytesOverAndOverAreStuck) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  transfers().chunks(id.number, {0, 0}, Transport::http);
  for (int i = 0; i < 40; ++i) {
    advance(30s);
    transfers().bytes(id.number, 524'288);
    if (state_of(id) == TaskState::queued) break;
  }
  EXPECT_EQ(state_of(id), TaskState::queued);
}

TEST_F(Queue, PartsOfChunksAreNoStallAsLongAsTheyAreNew) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  const ChunkGrid grid{4 * 524'288, 524'288};
  transfers().sent(id.number, grid, 1'000, 2'000);
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::downloading) << "the first bytes begin the download";
  // A delta client takes a third of each chunk, and some of that twice.
  for (std::uint64_t i = 1; i < 20; ++i) {
    transfers().sent(id.number, grid, (i % 4) * 524'288 + i * 8'192, 4'096);
    transfers().sent(id.number, grid, (i % 4) * 524'288 + i * 8'192, 4'096);
    advance(50s);
    EXPECT_EQ(state_of(id), TaskState::downloading);
    EXPECT_EQ(row(id).stalls, 0);
  }
  EXPECT_EQ(row(id).attempt, 1);
  for (int i = 0; i < 40 && state_of(id) == TaskState::downloading; ++i) {
    transfers().sent(id.number, grid, 0, 524'287);
    advance(30s);
  }
  EXPECT_EQ(state_of(id), TaskState::queued) << "the same over and over is stuck";
  EXPECT_EQ(verify("gw-1", id, 1).index(), Answer(SuccessAnswer{}).index()) << "it has what it needs";
}

TEST_F(Queue, WhatIsFetchedOverAndOverIsNamedNowAndThen) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  const auto allowance = download_allowance(row(id));
  EXPECT_EQ(allowance, 4 * 4 * 524'288u + (16u << 20));
  const auto told = [&] {
    const auto entries = service->rows.transfer_log().list(id.number, 0, 1000);
    return std::count_if(entries.begin(), entries.end(), [](const auto& entry) { return entry.kind == "repeats"; });
  };
  transfers().bytes(id.number, allowance);
  advance(1s);
  EXPECT_EQ(told(), 0);
  for (int i = 0; i < 5; ++i) {
    transfers().bytes(id.number, 1'000);
    advance(1s);
    EXPECT_EQ(told(), 1) << "once, not each second";
  }
  transfers().bytes(id.number, allowance);
  advance(1s);
  EXPECT_EQ(told(), 2) << "twice as much";
  EXPECT_TRUE(transfers().active(id.number)->repeats);
  verify("gw-1", id, 9);
  EXPECT_EQ(row(id).attempt, 2);
  EXPECT_EQ(download_allowance(row(id)), 2 * 4 * 4 * 524'288u + (16u << 20)) << "a new attempt has its own";
}

TEST_F(Queue, AStallWhileAnAttemptWaitsLeavesTimeForTheSecond) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  verify("gw-1", id, 9);
  ASSERT_EQ(state_of(id), TaskState::retry_wait);
  advance(70s);  // the wait and the stall timeout are over: told of the stall
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::retry_wait);
  advance(60s);
  EXPECT_EQ(state_of(id), TaskState::queued);
}

TEST_F(Queue, AnyWordOnAnOfferKeepsItOpen) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  for (int i = 0; i < 3; ++i) {
    advance(50s);
    state("gw-1", id, DeviceState::rebooting);
    EXPECT_EQ(state_of(id), TaskState::offered);
  }
  verify("gw-1", id, 9);
  advance(3s);
  advance(63s);  // told of the stall
  advance(61s);  // parked
  ASSERT_TRUE(std::holds_alternative<Offer>(request("gw-1")));
  advance(50s);
  verify("gw-1", id, 9, 1);  // of the attempt before
  advance(50s);
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(Queue, ADeviceThatIsBackByADownloadAloneHasItsSecurityTaskAtOnce) {
  options.tasks.stall_timeout_s = options.tasks.offer_timeout_s = 100'000;
  service->set_options(options);
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 3);
  const auto routine = task_for("gw-1", "2.0.0");
  advance(400s);  // absent
  const auto security = task_for("gw-1", "3.0.0", Priority::security);
  EXPECT_EQ(state_of(security), TaskState::queued);
  transfers().bytes(routine.number, 1'000);
  advance(1s);
  EXPECT_EQ(state_of(security), TaskState::offered);
  EXPECT_EQ(state_of(routine), TaskState::queued);
}

TEST_F(Queue, ARemovedDeviceLeavesTheQueue) {
  options.tasks.max_active = 1;
  service->set_options(options);
  add_firmware("2.0.0");
  const auto holder = task_for("gw-0", "2.0.0");
  const auto waiting = task_for("gw-1", "2.0.0");
  ASSERT_EQ(service->rows.unit.queue().ready_of("gw-1"), waiting.number);
  const auto next = task_for("gw-2", "2.0.0");
  unit([](auto& s) { return on_remove_device(s, "gw-1", "alice"); }).value();
  verify("gw-0", holder, 1);
  EXPECT_EQ(state_of(next), TaskState::offered);
}

TEST_F(Queue, ARowThatCanNotBeReadStopsNobodyElse) {
  add_firmware("2.0.0");
  options.tasks.max_active = 10;
  service->set_options(options);
  const auto broken_device = task_for("gw-1", "2.0.0");
  const auto broken_task = task_for("gw-2", "2.0.0");
  chunk("gw-1", broken_device, 0, 0);
  const auto corrupt = [&](const std::string& table, const std::string& key) {
    service->rows.unit.discard();
    test::spoil_row(*db, table, key);
  };
  corrupt("devices", "gw-1");
  corrupt("tasks", std::to_string(broken_task.number));
  transfers().bytes(broken_device.number, 1'000);

  const auto good = task_for("gw-3", "2.0.0");
  EXPECT_EQ(state_of(good), TaskState::offered);
  for (int i = 0; i < 5; ++i) advance(61s);
  request("gw-3");
  verify("gw-3", good, 1);
  EXPECT_EQ(state_of(good), TaskState::succeeded);
  EXPECT_EQ(error_in(request("gw-1")).error.code, Errc::server_fault) << "its secret isn't given to whoever comes";
  EXPECT_EQ(upgrade(order("gw-1", "2.0.0")).error().code, Errc::server_fault);
  EXPECT_GE(storage::bad_rows().count(), 2u);
  restart();
  EXPECT_EQ(std::get<Offer>(request("gw-4",
                                    [&] {
                                      auto ask = says();
                                      ask.version = "2.0.0";
                                      return ask;
                                    }()))
                .version,
            "2.0.0");
  EXPECT_TRUE(unit([](auto& s) { return on_remove_device(s, "gw-1", "alice"); })) << "that mends it";
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(request("gw-1")));
}

TEST_F(Queue, FirmwareThatCanNotBeReadStopsNoStartAndNoOtherUpdate) {
  const auto broken = add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 2);
  options.tasks.max_active = 10;
  service->set_options(options);
  const auto begun = task_for("gw-1", "2.0.0");
  chunk("gw-1", begun, 0, 0);
  const auto waiting = upgrade(order("gw-9", "2.0.0")).value().task.id;
  service->rows.unit.discard();
  test::spoil_row(*db, "firmware", std::to_string(broken.id));
  restart();
  EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(verify("gw-1", begun, 1))) << "nobody installs what can't be read";
  EXPECT_EQ(std::get<QueuedAnswer>(request("gw-9")).task, waiting);
  EXPECT_EQ(row(waiting).wait_reason, WaitReason::untrusted) << "nobody gets what can't be read";
  EXPECT_EQ(unit([](auto& s) { return explain_device(s, "gw-9"); }).verdict, "blocked");
  EXPECT_EQ(upgrade(order("gw-8", "2.0.0")).error().code, Errc::no_such_firmware);
  const auto good = task_for("gw-2", "3.0.0");
  verify("gw-2", good, 2);
  EXPECT_EQ(state_of(good), TaskState::succeeded);
}

TEST_F(Queue, WhatTheEngineDoesByItselfGoesOnWhereOneThingThrows) {
  add_firmware("2.0.0");
  options.tasks.max_active = 10;
  service->set_options(options);
  const auto downloads = task_for("gw-1", "2.0.0");
  chunk("gw-1", downloads, 0, 0);
  const auto offered = task_for("gw-2", "2.0.0");
  transfers().set_chunks(downloads.number, {{1, 1}}, Transport::http);
  images.throws = true;  // for the timer of the offer
  clock.advance(std::chrono::seconds{options.tasks.offer_timeout_s + 1});
  unit([](auto&) {});
  EXPECT_EQ(EngineDriver::chores_fault(*loop), "thrown by the test");
  EXPECT_EQ(service->rows.tasks().find(downloads.number)->chunks_have, 2u) << "progress is written";
  images.throws = false;
  unit([](auto&) {});
  EXPECT_EQ(EngineDriver::chores_fault(*loop), "");
  EXPECT_EQ(state_of(offered), TaskState::queued) << "its offer ended";
}

TEST_F(Queue, WhatIsVerifiedDoesNotExpire) {
  add_firmware("2.0.0");
  request("gw-1");
  auto o = order("gw-1", "2.0.0");
  o.confirm = Confirm::always;
  o.expires_at = clock.wall() + 100s;
  const auto id = upgrade(o).value().task.id;
  verify("gw-1", id, 1);
  ASSERT_EQ(state_of(id), TaskState::installing);
  advance(200s);
  EXPECT_EQ(state_of(id), TaskState::installing) << "its confirmation decides";
  state("gw-1", id, DeviceState::failed);
  EXPECT_EQ(state_of(id), TaskState::failed);
}

TEST_F(Queue, DigestsThatMustBeMadeFirstHoldTheOfferBack) {
  images.slow = true;
  add_firmware("2.0.0");
  request("gw-1");
  auto message = says();
  message.version = "2.0.0";
  const auto first = request("gw-1", message);
  EXPECT_EQ(std::get<QueuedAnswer>(first).retry_after_s, 5);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"}) << "as soon as they are there";
  EXPECT_EQ(state_of({20261122, 1}), TaskState::offered);
}

TEST_F(Queue, ARequestMayWaitForTheDigests) {
  images.slow = true;
  add_firmware("2.0.0");
  auto message = says();
  message.version = "2.0.0";
  std::optional<Answer> late;
  unit([&](auto& s) {
    const auto id = *DeviceId::parse("gw-1");
    EXPECT_TRUE(std::holds_alternative<QueuedAnswer>(on_message(s, id, {}, message).value()));
    EXPECT_TRUE(s.digests.defer("gw-1", [&, id](TaskService& then) { late = on_message(then, id, {}, message); }));
    EXPECT_FALSE(s.digests.defer("gw-2", [](TaskService&) {}));
  });
  EXPECT_TRUE(late && std::holds_alternative<Offer>(*late));
  EXPECT_TRUE(pushes().empty()) << "the answer is the offer";
}

TEST_F(Queue, ProgressUnparksATask) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  advance(61s);
  EXPECT_TRUE(row(id).parked);
  pushes();
  chunk("gw-1", id, 0, 0);
  EXPECT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
}

TEST_F(Queue, DigestsThatCannotBeMadeAreAskedForNowAndThen) {
  images.slow = true;
  images.refuse = Errc::server_fault;
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  const int asked = images.asked;
  advance(9s);
  EXPECT_EQ(images.asked, asked);
  advance(1s);
  EXPECT_EQ(images.asked, asked + 1);
  request("gw-1");
  EXPECT_EQ(images.asked, asked + 2);
  EXPECT_EQ(state_of(id), TaskState::queued);
  images.refuse.reset();
  advance(10s);
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(Queue, DigestsLostInACrashAreMadeAgainWithoutAWordOfTheDevice) {
  images.slow = images.hangs = true;
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  const int asked = images.asked;
  advance(15s);
  EXPECT_EQ(images.asked, asked) << "they are still being made";
  restart();
  EXPECT_EQ(state_of(id), TaskState::queued);
  images.hangs = false;
  advance(10s);
  EXPECT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
}

TEST_F(Queue, DigestsLostInACrashBeforeAPreemptionAreMadeAgain) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 2);
  task_for("gw-1", "2.0.0");
  task_for("gw-2", "2.0.0");
  images.slow = images.hangs = true;
  const auto id = task_for("gw-3", "3.0.0", Priority::security);
  restart();
  images.hangs = false;
  pushes();
  advance(10s);
  EXPECT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(pushes(), (std::vector<std::string>{"gw-2 cancel", "gw-3 metadata"}));
}

TEST_F(Queue, ARestartSaysAgainWhatACrashSwallowed) {
  add_firmware("2.0.0");
  const auto offered = task_for("gw-1", "2.0.0");
  const auto retried = task_for("gw-2", "2.0.0");
  chunk("gw-2", retried, 0, 3);
  verify("gw-2", retried, 9, 1, ChunkRanges{{1, 1}});
  const auto waiting = task_for("gw-3", "2.0.0");
  pushes();
  restart();
  EXPECT_EQ(pushes(), (std::vector<std::string>{"gw-1 metadata", "gw-2 retry"}));
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 2);
  EXPECT_TRUE(transfers().active(offered.number));
  EXPECT_EQ(std::get<Offer>(request("gw-2")).missing, (ChunkRanges{{1, 1}}));
  EXPECT_EQ(std::get<Offer>(request("gw-2")).attempt, 2);
  EXPECT_EQ(state_of(waiting), TaskState::queued);
}

TEST_F(Queue, TheWallClockMayJump) {
  add_firmware("2.0.0");
  request("gw-1");
  auto limited = order("gw-1", "2.0.0");
  limited.expires_at = clock.wall() + 3600s;
  const auto id = upgrade(limited).value().task.id;
  clock.set_wall(clock.wall() + 10h);
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::offered);
  clock.set_wall(clock.wall() - 20h);
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::offered);
  advance(60s);
  EXPECT_EQ(state_of(id), TaskState::queued) << "timers go on as before";
  restart();
  EXPECT_EQ(state_of(id), TaskState::queued);
  clock.advance(1h);
  advance(1s);
  EXPECT_EQ(state_of(id), TaskState::expired);
}

}  // namespace
}  // namespace ota::engine
