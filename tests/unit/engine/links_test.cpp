// What the engine makes of a link: transports, patience, smaller chunks, uplinks.
#include "fixture.hpp"

namespace ota::engine {
namespace {

constexpr std::uint32_t kChunk = 512 * 1024;

class Links : public TaskServiceTest {
 protected:
  static Credentials over_mqtt() {
    Credentials who;
    who.protocol = Protocol::mqtt;
    return who;
  }
  Answer request_mqtt(const std::string& device) {
    return unit([&](auto& s) { return on_message(s, *DeviceId::parse(device), over_mqtt(), says()); }).value();
  }
  /// A task under way, offered over MQTT.
  TaskId begin(const std::string& device, std::vector<Transport> transports = {}) {
    options.tasks.stall_timeout_s = 60;
    add_firmware("2.0");
    auto message = says();
    if (!transports.empty()) message.transports = transports;
    request(device, message);
    const auto id = upgrade(order(device, "2.0")).value().task.id;
    request_mqtt(device);
    pushes();
    return id;
  }
  void http_chunk(const TaskId& id, std::uint32_t chunk) {
    transfers().bytes(id.number, kChunk);
    transfers().chunks(id.number, {chunk, chunk}, Transport::http);
  }
  /// Time goes on second by second, as the engine's thread has it.
  void pass(
      int seconds, const std::function<void()>& each = [] {}) {
    for (int i = 0; i < seconds; ++i) {
      each();
      advance(1s);
    }
  }
  std::vector<Transport> order_now(const TaskId& id) {
    return unit([&](auto& s) { return s.replies.offer(*s.lifecycle.load(id.number)).transports; });
  }
  void make_poor(const std::string& device, const std::string& uplink) {
    request(device);
    unit([&](auto& s) {
      auto d = *s.rows.unit.device(device);
      d.tags["uplink"] = uplink;
      d.quality.verdict = d.quality.leaning = LinkVerdict::poor;
      s.rows.unit.put(d);
    });
  }
  int kinds(const TaskId& id, const std::string& kind) {
    int count = 0;
    for (const auto& entry : log_of(id)) count += entry.kind == kind;
    return count;
  }

  using Order = std::vector<Transport>;
  const Order http_first{Transport::http, Transport::mqtt};
  const Order mqtt_first{Transport::mqtt, Transport::http};
};

TEST_F(Links, TransportsAreThoseTheDeviceTakes) {
  EXPECT_EQ(order_now(begin("gw-1")), http_first) << "never said";
  EXPECT_EQ(order_now(begin("gw-2", {Transport::mqtt, Transport::http})), mqtt_first);
  EXPECT_EQ(order_now(begin("gw-3", {Transport::http})), Order{Transport::http});
}

TEST_F(Links, ChunksTooLargeForMqttGoOverHttpOnly) {
  add_firmware("2.0", "gw-a", 1, 64ull << 20);
  request("gw-1");
  auto o = order("gw-1", "2.0");
  o.chunk_bytes = kMaxMqttChunkBytes * 2;
  EXPECT_EQ(order_now(upgrade(o).value().task.id), Order{Transport::http});
}

TEST_F(Links, ADeviceWithMqttAloneGetsChunksThatFit) {
  add_firmware("2.0", "gw-a", 1, 64ull << 20);
  auto message = says();
  message.transports = Order{Transport::mqtt};
  request("gw-1", message);
  auto o = order("gw-1", "2.0");
  o.chunk_bytes = kMaxMqttChunkBytes * 4;
  const auto id = upgrade(o).value().task.id;
  EXPECT_EQ(row(id).chunk_bytes, kMaxMqttChunkBytes);
  EXPECT_EQ(order_now(id), Order{Transport::mqtt});
}

TEST_F(Links, ADeadHttpGivesWayToMqttThatIsHeard) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(10);
  EXPECT_TRUE(pushes().empty());
  pass(15, [&] { request_mqtt("gw-1"); });
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"});
  EXPECT_EQ(order_now(id), mqtt_first);
  EXPECT_EQ(service->stats.transport_orders, 1u);
  EXPECT_EQ(kinds(id, "transport"), 1);
}

TEST_F(Links, ADeadHttpStaysFirstForADeviceThatIsNotHeard) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(30);
  EXPECT_TRUE(pushes().empty());
  EXPECT_EQ(order_now(id), http_first);
}

TEST_F(Links, AStallItselfSaysMqttFirst) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(62);
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 retry"});
  EXPECT_EQ(order_now(id), mqtt_first);
}

TEST_F(Links, RepliesThatAreCutMakeItTurnSooner) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(6, [&] {
    transfers().broken(id.number);
    request_mqtt("gw-1");
  });
  EXPECT_EQ(order_now(id), mqtt_first);
}

TEST_F(Links, HttpComesBackAfterAWhile) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(25, [&] { request_mqtt("gw-1"); });
  ASSERT_EQ(order_now(id), mqtt_first);
  pushes();
  std::uint32_t percent = 0;
  pass(10 * 60 + 5, [&] {
    ProgressReport report;
    report.task = id;
    report.percent = static_cast<int>(++percent / 10);
    progress("gw-1", report, over_mqtt());
  });
  EXPECT_EQ(order_now(id), http_first);
  EXPECT_EQ(pushes().front(), "gw-1 metadata");
}

TEST_F(Links, MqttThatBringsNothingEitherGivesHttpAnotherTry) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(25, [&] { request_mqtt("gw-1"); });
  ASSERT_EQ(order_now(id), mqtt_first);
  pass(22, [&] { request_mqtt("gw-1"); });
  EXPECT_EQ(order_now(id), http_first);
}

TEST_F(Links, ADeviceThatChangesOverByItselfIsFollowed) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(2);
  ProgressReport report;
  report.task = id;
  report.chunks = {{1, 1}};
  report.transport = Transport::mqtt;
  transfers().report("gw-1", over_mqtt(), report);
  pass(2);
  EXPECT_EQ(order_now(id), mqtt_first);
  EXPECT_EQ(service->stats.transport_switches, 1u);
  pass(8);
  http_chunk(id, 2);
  pass(2);
  EXPECT_EQ(order_now(id), http_first) << "HTTP was seen to work";
  EXPECT_EQ(service->stats.transport_switches, 2u);
}

TEST_F(Links, SlowIsNotStuck) {
  const auto id = begin("gw-1");
  // 8 kB/s: a chunk takes 65 s.
  LinkSample line{900.0, 10, 0, 8'000.0, 8'000};
  http_chunk(id, 0);
  pass(63, [&] { transfers().line(id.number, line); });
  EXPECT_TRUE(pushes().empty());
  // Then nothing at all: three chunks' time at that rate.
  pass(150);
  EXPECT_EQ(row(id).stalls, 0);
  pass(60);
  EXPECT_EQ(row(id).stalls, 1);
}

TEST_F(Links, PercentThatGrowsIsNotStuckAndPercentThatStaysIs) {
  const auto id = begin("gw-1");
  int percent = 0;
  const auto tell = [&] {
    ProgressReport report;
    report.task = id;
    report.percent = percent;
    progress("gw-1", report);
  };
  pass(90, [&] { ++percent, tell(); });
  EXPECT_EQ(row(id).stalls, 0);
  EXPECT_TRUE(pushes().empty());
  pass(62, tell);
  EXPECT_EQ(row(id).stalls, 1);
}

TEST_F(Links, ALedgerThatWasOpenedAfreshJudgesByNoBlankRecord) {
  make_poor("gw-1", "u");
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  pass(5);
  unit([&](auto& s) { s.progress.log_run(*s.lifecycle.load(id.number)); });
  const auto lines = kinds(id, "chunks");
  ASSERT_EQ(lines, 1);
  pushes();
  reopen();
  pass(3);
  EXPECT_TRUE(pushes().empty()) << "nothing is stalled";
  EXPECT_EQ(service->stats.transport_orders, 0u);
  http_chunk(id, 1);
  pass(1);
  unit([&](auto& s) { s.progress.log_run(*s.lifecycle.load(id.number)); });
  ASSERT_EQ(kinds(id, "chunks"), 2);
  const auto line = log_of(id).back();
  EXPECT_EQ(line.chunks, (ChunkRanges{{1, 1}})) << "what was logged before isn't logged again";
  EXPECT_LE(line.ms, 5'000);
  for (const auto* other : {"gw-2", "gw-3"}) {
    make_poor(other, "u");
    task_for(other, "2.0");
  }
  EXPECT_EQ(service->rows.unit.queue().slots_held(), 2) << "its place at the uplink still counts";
}

TEST_F(Links, APercentageStartsAgainWithEachAttemptAndEachOffer) {
  const auto id = begin("gw-1");
  int percent = 90;
  const auto tell = [&] {
    ProgressReport report;
    report.task = id;
    report.percent = percent;
    progress("gw-1", report);
  };
  tell();
  EXPECT_EQ(transfers().view(id.number)->percent, 90);
  verify("gw-1", id, 9);
  ASSERT_EQ(row(id).attempt, 2);
  EXPECT_EQ(row(id).percent, 0);
  EXPECT_EQ(transfers().view(id.number)->percent, 0);
  pushes();
  percent = 0;
  pass(80, [&] { ++percent, tell(); });
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(row(id).attempt, 2);
  EXPECT_EQ(row(id).stalls, 0) << "it grows, though it was greater in the attempt before";
  const int before = percent;
  restart();
  EXPECT_EQ(transfers().view(id.number)->percent, before);
  percent = 3;
  pass(50, [&] { ++percent, tell(); });
  EXPECT_EQ(row(id).stalls, 0) << "also where it began again by itself";
  pass(200);
  ASSERT_EQ(state_of(id), TaskState::queued);
  request("gw-1");
  ASSERT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(row(id).percent, 0);
  EXPECT_EQ(transfers().view(id.number)->percent, 0);
}

TEST_F(Links, ALinkThatKeepsLosingChunksGetsSmallerOnesInTheNextAttempt) {
  const auto id = begin("gw-1");
  chunk("gw-1", id, 0, 1);
  chunk("gw-1", id, 3, 3, true);
  chunk("gw-1", id, 3, 3, true);
  EXPECT_EQ(row(id).chunk_bytes, kChunk) << "never inside an attempt";
  chunk("gw-1", id, 3, 3, true);
  const auto task = row(id);
  EXPECT_EQ(task.attempt, 2);
  EXPECT_EQ(task.chunk_bytes, kChunk / 2);
  EXPECT_EQ(task.chunks_have, 4u);
  const auto offer = unit([&](auto& s) { return s.replies.offer(*s.lifecycle.load(id.number)); });
  EXPECT_EQ(offer.grid.count(), 8u);
  EXPECT_EQ(offer.missing, (ChunkRanges{{4, 7}}));
  EXPECT_EQ(service->stats.smaller_grids, 1u);

  // A download of the old grid that is still under way counts for nothing; one of the new grid does.
  transfers().chunks(id.number, {2, 2}, Transport::http, kChunk);
  pass(1);
  EXPECT_EQ(row(id).chunks_have, 4u);
  transfers().chunks(id.number, {4, 5}, Transport::http, kChunk / 2);
  pass(1);
  EXPECT_EQ(row(id).chunks_have, 6u);
  restart();
  EXPECT_EQ(row(id).chunks_have, 6u);
}

TEST_F(Links, TheGridStaysWhereItsDigestsAreNotThere) {
  const auto id = begin("gw-1");
  images.slow = true;
  images.prepared = {{digest_of(1), kChunk}};
  images.hangs = true;
  for (int i = 0; i < 3; ++i) chunk("gw-1", id, 3, 3, true);
  EXPECT_EQ(row(id).attempt, 2);
  EXPECT_EQ(row(id).chunk_bytes, kChunk);
}

TEST_F(Links, AWrongImageAloneChangesNoGrid) {
  const auto id = begin("gw-1");
  chunk("gw-1", id, 0, 3);
  verify("gw-1", id, 9, 1);
  EXPECT_EQ(row(id).attempt, 2);
  EXPECT_EQ(row(id).chunk_bytes, kChunk);
}

TEST_F(Links, TheRecordIsKeptWithTheDevice) {
  const auto id = begin("gw-1");
  http_chunk(id, 0);
  transfers().line(id.number, {40.0, 100, 1, 2e6, 1'000});
  transfers().broken(id.number);
  pass(1);
  restart();
  const auto quality = row_of("gw-1")->quality;
  EXPECT_EQ(quality.rtt_ms, 40.0);
  EXPECT_EQ(quality.rate, 2e6);
  EXPECT_EQ(quality.broken, 1u);
  EXPECT_EQ(quality.verdict, LinkVerdict::good);
}

TEST_F(Links, WhatADeviceSaysCountsWithoutADownload) {
  const auto id = begin("gw-1");
  ProgressReport report;
  report.task = id;
  report.percent = 1;
  report.link.loss = 0.4;
  progress("gw-1", report);
  EXPECT_EQ(row_of("gw-1")->quality.verdict, LinkVerdict::poor);
}

class Uplinks : public Links {
 protected:
  Uplinks() {
    options.tasks.max_active = 20;
    unit([this](auto& s) { s.set_options(options); });
    add_firmware("2.0");
    for (const auto* id : {"a", "b", "c", "d"}) make_poor(id, "mast-1");
  }
};

TEST_F(Uplinks, TwoAtATimeBehindAPoorOne) {
  const auto a = task_for("a", "2.0");
  const auto b = task_for("b", "2.0");
  const auto c = task_for("c", "2.0");
  const auto d = task_for("d", "2.0");
  EXPECT_EQ(state_of(a), TaskState::offered);
  EXPECT_EQ(state_of(b), TaskState::offered);
  EXPECT_EQ(state_of(c), TaskState::queued);
  EXPECT_EQ(state_of(d), TaskState::queued);
  EXPECT_EQ(row_of("c")->held_uplink, "mast-1");
  verify("a", a, 1, 1);
  EXPECT_EQ(state_of(c), TaskState::offered) << "the oldest goes on";
  EXPECT_EQ(state_of(d), TaskState::queued);
  EXPECT_EQ(row_of("c")->held_uplink, "");
  verify("b", b, 1, 1);
  EXPECT_EQ(state_of(d), TaskState::offered);
}

TEST_F(Uplinks, OthersAndSecurityDoNotWait) {
  task_for("a", "2.0");
  task_for("b", "2.0");
  make_poor("elsewhere", "mast-2");
  EXPECT_EQ(state_of(task_for("elsewhere", "2.0")), TaskState::offered);
  EXPECT_EQ(state_of(task_for("untagged", "2.0")), TaskState::offered);
  EXPECT_EQ(state_of(task_for("c", "2.0", Priority::security)), TaskState::offered);
  EXPECT_EQ(state_of(task_for("d", "2.0")), TaskState::queued);
}

TEST_F(Uplinks, OneThatGivesUpItsWaitLeavesItToTheNext) {
  const auto a = task_for("a", "2.0");
  const auto b = task_for("b", "2.0");
  const auto c = task_for("c", "2.0");
  const auto d = task_for("d", "2.0");
  unit([&](auto& s) { return on_cancel(s, c, "tester"); });
  EXPECT_EQ(row_of("c")->held_uplink, "");
  unit([&](auto& s) { return on_cancel(s, a, "tester"); });
  EXPECT_EQ(state_of(d), TaskState::offered);
  EXPECT_EQ(state_of(b), TaskState::offered);
}

TEST_F(Uplinks, AnAbsentOneDoesNotBlockThoseBehindIt) {
  const auto a = task_for("a", "2.0");
  task_for("b", "2.0");
  const auto c = task_for("c", "2.0");
  const auto d = task_for("d", "2.0");
  unit([](auto& s) {
    auto gone = *s.rows.unit.device("c");
    gone.present_until_tl = s.now() - 1s;
    s.rows.unit.put(gone);
  });
  verify("a", a, 1, 1);
  EXPECT_EQ(state_of(c), TaskState::queued);
  EXPECT_EQ(state_of(d), TaskState::offered);
}

TEST_F(Uplinks, ARestartForgetsNobody) {
  const auto a = task_for("a", "2.0");
  task_for("b", "2.0");
  const auto c = task_for("c", "2.0");
  restart();
  request("c");
  EXPECT_EQ(state_of(c), TaskState::queued);
  verify("a", a, 1, 1);
  EXPECT_EQ(state_of(c), TaskState::offered);
}

TEST_F(Uplinks, ABetterLinkWaitsNoMore) {
  task_for("a", "2.0");
  task_for("b", "2.0");
  const auto c = task_for("c", "2.0");
  unit([](auto& s) {
    auto better = *s.rows.unit.device("c");
    better.quality.verdict = LinkVerdict::fair;
    s.rows.unit.put(better);
  });
  request("c");
  EXPECT_EQ(state_of(c), TaskState::offered);
}

}  // namespace
}  // namespace ota::engine
