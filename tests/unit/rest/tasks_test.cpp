// Tasks as operators see them: lists, one task, its log, and what can be done with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ota/domain/download_allowance.hpp"
#include "rest/explanation.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> ids(const Seen& seen) {
  std::vector<std::string> found;
  for (const auto& item : seen.json["items"]) found.push_back(item["task_id"]);
  return found;
}

LogEntry entry_of(const Task& task, const std::string& kind, WallTime at) {
  LogEntry entry;
  entry.task = task.id.number;
  entry.at = at;
  entry.kind = kind;
  entry.by = "engine";
  entry.attempt = 1;
  return entry;
}

TEST(TaskList, NewestFirstPageByPage) {
  Bench bench;
  std::vector<std::string> newest_first;
  for (int i = 0; i < 5; ++i)
    newest_first.insert(newest_first.begin(), bench.add_task("gw-" + std::to_string(i)).id.str());
  std::vector<std::string> found;
  std::string target = "/tasks?limit=2";
  for (int page = 0; page < 3; ++page) {
    const auto seen = bench.get(target);
    ASSERT_EQ(seen.reply.status, 200u);
    for (const auto& id : ids(seen)) found.push_back(id);
    if (page < 2) {
      target = "/tasks?limit=2&cursor=" + seen.json["next"].get<std::string>();
    } else {
      EXPECT_TRUE(seen.json["next"].is_null());
    }
  }
  EXPECT_EQ(found, newest_first);
  EXPECT_TRUE(bench.get("/tasks?limit=5").json["next"].is_null());
}

TEST(TaskList, Filters) {
  Bench bench;
  const auto one = bench.add_task("gw-1", "1.0.0");
  const auto two = bench.add_task("gw-2", "2.0.0+b.1");
  EXPECT_THAT(ids(bench.get("/tasks?device_id=gw-1")), ElementsAre(one.id.str()));
  EXPECT_THAT(ids(bench.get("/tasks?version=2.0.0%2Bb.1")), ElementsAre(two.id.str()));
  EXPECT_THAT(ids(bench.get("/tasks?state=queued&version=1.0.0")), ElementsAre(one.id.str()));
  EXPECT_THAT(ids(bench.get("/tasks?state=failed")), ElementsAre());
}

TEST(TaskList, WrongQueriesNameTheField) {
  Bench bench;
  const auto devices_cursor = [&] {
    bench.write([&] {
      for (const auto* id : {"a", "b"}) {
        Device device;
        device.id = id;
        bench.unit->put(device);
      }
    });
    return bench.get("/devices?limit=1").json["next"].get<std::string>();
  }();
  const std::vector<std::pair<std::string, std::string>> wrong = {{"limit", "0"},
                                                                  {"limit", "1001"},
                                                                  {"limit", "x"},
                                                                  {"limit", "-1"},
                                                                  {"limit", ""},
                                                                  {"limit", "010"},
                                                                  {"cursor", ""},
                                                                  {"cursor", "!"},
                                                                  {"cursor", "%00nonsense"},
                                                                  {"cursor", "MQ"},
                                                                  {"cursor", devices_cursor},
                                                                  {"state", "asleep"},
                                                                  {"state", ""},
                                                                  {"device_id", "a%20b"},
                                                                  {"version", "2.0.0+b"},
                                                                  {"stat", "queued"}};
  for (const auto& [field, value] : wrong) {
    const auto seen = bench.get("/tasks?" + field + "=" + value);
    EXPECT_EQ(seen.reply.status, 422u) << field << "=" << value;
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << value;
  }
  EXPECT_THAT(bench.get("/tasks?limit=1&limit=2").fields(), ElementsAre("limit"));
  EXPECT_EQ(
      bench.get("/tasks?state=fialed").json["errors"][0]["message"],
      "must be one of queued, offered, downloading, retry_wait, installing, succeeded, failed, cancelled, expired, staged "
      "(did you mean failed?)");
  EXPECT_EQ(bench.get("/tasks?stat=queued").json["errors"][0]["message"],
            "is unknown (did you mean state?); known are where, sort, count, state, device_id, version, limit, "
            "cursor");
  EXPECT_EQ(bench.get("/tasks?limit=%zz").reply.status, 422u);
}

TEST(OneTask, HasAllOfIt) {
  Bench bench;
  auto task = bench.add_task("gw-1");
  Device device;
  device.id = "gw-1";
  device.link = {48.5, -71, 0.02};
  device.transport = Transport::http;
  storage::TransferLog log(*bench.db);
  bench.write([&] {
    bench.unit->put(device);
    log.add(entry_of(task, "created", bench.clock.wall()));
    log.add(entry_of(task, "chunks", bench.clock.wall()));
    auto offered = entry_of(task, "state", bench.clock.wall());
    offered.from = TaskState::queued;
    offered.to = TaskState::offered;
    offered.event = "grant";
    log.add(offered);
  });
  const auto seen = bench.get("/tasks/" + task.id.str());
  ASSERT_EQ(seen.reply.status, 200u);
  const auto& json = seen.json;
  EXPECT_EQ(json["task_id"], task.id.str());
  EXPECT_EQ(json["state"], "queued");
  EXPECT_EQ(json["device_id"], "gw-1");
  EXPECT_EQ(json["firmware_version"], "1.4.0");
  EXPECT_EQ(json["created_by"], "anna");
  EXPECT_EQ(json["created_at"], "2026-11-22T08:30:00Z");
  for (const auto* name : {"hardware", "from_version", "reason", "detail", "confirm", "offered_at", "ended_at",
                           "not_before", "expires_at", "confirm_by", "retry_of"})
    EXPECT_TRUE(json.at(name).is_null()) << name;
  EXPECT_EQ(json["progress"],
            nlohmann::json::parse(R"({"chunks":0,"chunk_count":4,"bytes":0,"size":2048000,"percent":0,"rate":0,)"
                                  R"("bytes_sent":0,"transport":null})"));
  EXPECT_EQ(json["link"]["transport"], "http");
  EXPECT_EQ(json["link"]["rtt_ms"], 48.5);
  EXPECT_EQ(json["link"]["rssi"], -71.0);
  EXPECT_EQ(json["link"]["loss"], 0.02);
  EXPECT_EQ(json["link"]["verdict"], "unknown");
  ASSERT_EQ(json["timeline"].size(), 2u);
  EXPECT_EQ(json["timeline"][1]["state"], "offered");
  EXPECT_EQ(json["timeline"][1]["event"], "grant");
  EXPECT_EQ(json["explanation"], "waits for the device to come online (never seen yet)");
}

TEST(OneTask, ShowsLiveFigures) {
  Bench bench;
  const auto task = bench.add_task("gw-1");
  ChunkBitmap have(4);
  have.set({0, 1});
  engine::Transfer transfer;
  transfer.task = task.id;
  transfer.device = "gw-1";
  transfer.have = have;
  transfer.bytes_sent = 1'048'576;
  bench.engine.transfers().open(std::move(transfer));
  const auto progress = bench.get("/tasks/" + task.id.str()).json["progress"];
  EXPECT_EQ(progress["chunks"], 2);
  EXPECT_EQ(progress["bytes"], 1'048'576);
  EXPECT_EQ(progress["percent"], 50);
  EXPECT_EQ(progress["bytes_sent"], 1'048'576);
  EXPECT_EQ(bench.get("/tasks").json["items"][0]["progress"], progress);
}

TEST(OneTask, NamesTheTaskThatItRepeats) {
  Bench bench;
  const auto first = bench.add_task("gw-1");
  Task second;
  second.id.day = 20261123;
  second.device = "gw-1";
  second.size = 1;
  second.retry_of = first.id.number;
  bench.write([&] { bench.unit->insert(second); });
  EXPECT_EQ(bench.get("/tasks/" + second.id.str()).json["retry_of"], first.id.str());
  EXPECT_EQ(bench.get("/tasks").json["items"][0]["retry_of"], first.id.str());
}

TEST(OneTask, OtherNamesAreUnknown) {
  Bench bench;
  const auto task = bench.add_task("gw-1");
  const auto other_day = TaskId{20261123, task.id.number}.str();
  for (const auto& id :
       {other_day, std::string("OTA_20261122_000099"), std::string("x"), std::string("OTA_20261122_1")}) {
    for (const auto* rest : {"", "/log"}) {
      const auto seen = bench.get("/tasks/" + id + rest);
      EXPECT_EQ(seen.reply.status, 404u) << id;
      EXPECT_EQ(seen.code(), "unknown_task");
    }
  }
  EXPECT_THAT(bench.get("/tasks/" + task.id.str() + "?verbose=1").fields(), ElementsAre("verbose"));
}

TEST(TaskLog, PagesOldestFirst) {
  Bench bench;
  const auto task = bench.add_task("gw-1");
  storage::TransferLog log(*bench.db);
  bench.write([&] {
    for (int i = 0; i < 3; ++i) {
      auto entry = entry_of(task, "chunks", bench.clock.wall() + Millis{i * 1000});
      entry.chunks = {{0, 3}};
      entry.bytes = 1000;
      entry.ms = 500;
      entry.transport = Transport::http;
      log.add(entry);
    }
  });
  const auto first = bench.get("/tasks/" + task.id.str() + "/log?limit=2");
  ASSERT_EQ(first.json["items"].size(), 2u);
  const auto& entry = first.json["items"][0];
  EXPECT_EQ(entry["kind"], "chunks");
  EXPECT_EQ(entry["chunks"], nlohmann::json::parse("[[0,3]]"));
  EXPECT_EQ(entry["bytes"], 1000);
  EXPECT_EQ(entry["rate"], 2000);
  EXPECT_EQ(entry["transport"], "http");
  EXPECT_EQ(entry["at"], "2026-11-22T08:30:00Z");
  const auto rest = bench.get("/tasks/" + task.id.str() + "/log?cursor=" + first.json["next"].get<std::string>());
  ASSERT_EQ(rest.json["items"].size(), 1u);
  EXPECT_EQ(rest.json["items"][0]["at"], "2026-11-22T08:30:02Z");
}

TEST(TaskActions, CancelRetryAndPriority) {
  Bench bench;
  auto task = bench.add_task("gw-1");
  const auto path = "/tasks/" + task.id.str();
  task.state = TaskState::cancelled;
  task.reason = "cancelled";
  bench.engine.task = task;
  auto seen = bench.call(Method::post, path + "/cancel");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json["state"], "cancelled");
  EXPECT_EQ(seen.json["explanation"], "cancelled by an operator");
  EXPECT_EQ(bench.engine.task_id, task.id);

  auto again = bench.add_task("gw-1");
  bench.engine.task = again;
  seen = bench.call(Method::post, path + "/retry");
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), "/tasks/" + again.id.str());
  EXPECT_EQ(seen.json["task_id"], again.id.str());

  seen = bench.call(Method::patch, path, R"({"priority": "high"})");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(bench.engine.priority, Priority::high);
}

TEST(TaskActions, RefusalsOfTheEngine) {
  Bench bench;
  for (const auto& [errc, status, code] :
       {std::tuple{Errc::unknown_task, 404u, "unknown_task"}, std::tuple{Errc::wrong_state, 409u, "wrong_state"},
        std::tuple{Errc::cancelled, 503u, "cancelled"}}) {
    bench.engine.task = fail(errc, "it is succeeded");
    for (const auto* action : {"/cancel", "/retry"}) {
      const auto seen = bench.call(Method::post, std::string("/tasks/OTA_20261122_000001") + action);
      EXPECT_EQ(seen.reply.status, status);
      EXPECT_EQ(seen.code(), code);
      EXPECT_THAT(seen.json["detail"].get<std::string>(), HasSubstr("succeeded"));
    }
  }
}

TEST(TaskActions, WrongPatches) {
  Bench bench;
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {R"({"priority": "urgent"})", "priority"},
      {R"({"priority": 1})", "priority"},
      {"{}", "priority"},
      {R"({"priority": "high", "state": "failed"})", "state"}};
  for (const auto& [body, field] : wrong) {
    const auto seen = bench.call(Method::patch, "/tasks/OTA_20261122_000001", body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << body;
  }
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST(Explanation, EveryReasonToWait) {
  const WallTime now{Millis{1'795'336'200'000}};
  Task task;
  task.id = {20261122, 7};
  QueueFacts facts;
  EXPECT_EQ(explain(task, facts), "waits for the device to come online (never seen yet)");
  facts.device.emplace();
  facts.device->last_seen = now;
  EXPECT_EQ(explain(task, facts), "waits for the device to come online (last seen at 2026-11-22T08:30:00Z)");
  task.parked = true;
  EXPECT_THAT(explain(task, facts), HasSubstr("went offline"));
  task.wait_reason = WaitReason::behind_own;
  facts.ahead = TaskId{20261122, 4};
  EXPECT_EQ(explain(task, facts), "waits for task OTA_20261122_000004 of the same device");
  task.wait_reason = WaitReason::device_busy;
  facts.holder = TaskId{20261122, 3};
  EXPECT_EQ(explain(task, facts), "waits for task OTA_20261122_000003, which is active on the device");
  task.wait_reason = WaitReason::slot;
  EXPECT_EQ(explain(task, facts), "is next in the queue; waits for a free slot");
  facts.before = 1;
  EXPECT_EQ(explain(task, facts), "waits for a free slot behind 1 other task");
  facts.before = kCountedBefore;
  EXPECT_EQ(explain(task, facts), "waits for a free slot behind at least 1000 other tasks");
  task.unasked = true;
  EXPECT_THAT(explain(task, facts), HasSubstr("not registered, so operators' tasks go first"));
  task.unasked = false;
  task.wait_reason = WaitReason::not_before;
  task.not_before = now + Millis{60'000};
  EXPECT_EQ(explain(task, facts), "waits until 2026-11-22T08:31:00Z");
  task.wait_reason = WaitReason::uplink;
  facts.device->held_uplink = "mast";
  EXPECT_EQ(explain(task, facts), "waits for other devices with poor links on the shared uplink mast");
  task.wait_reason = WaitReason::chunk_size;
  facts.device->max_chunk_bytes = 512;
  EXPECT_THAT(explain(task, facts), HasSubstr("chunks of at most 512 bytes"));
  for (const auto reason : {WaitReason::image_missing, WaitReason::digests, WaitReason::untrusted}) {
    task.wait_reason = reason;
    EXPECT_THAT(explain(task, facts), HasSubstr("waits"));
  }
}

TEST(Explanation, SaysWhatTheDeviceRunsByNow) {
  Task task;
  task.state = TaskState::succeeded;
  task.confirmed = true;
  task.version = "1.1.0";
  QueueFacts facts;
  facts.device.emplace();
  facts.device->current_version = "v1.1.0";
  EXPECT_EQ(explain(task, facts), "the device runs 1.1.0");
  facts.device->current_version = "1.2.0";
  EXPECT_EQ(explain(task, facts), "the device ran 1.1.0; it runs 1.2.0 now");
  task.state = TaskState::installing;
  task.rollout = 1;
  EXPECT_THAT(explain(task, facts), HasSubstr("waits for the device to report that it runs 1.1.0"));
  facts.device->current_version = "1.1.0";
  EXPECT_EQ(explain(task, facts), "the device runs 1.1.0; its rollout waits until it ran that for the soak time");
}

TEST(Explanation, NamesRepeatedDownloads) {
  Task task;
  task.size = 1'000'000;
  const QueueFacts facts;
  for (const auto state : {TaskState::offered, TaskState::downloading, TaskState::retry_wait}) {
    task.state = state;
    task.bytes_sent = download_allowance(task);
    EXPECT_EQ(explain(task, facts).find("repeatedly"), std::string::npos);
    ++task.bytes_sent;
    EXPECT_THAT(explain(task, facts),
                HasSubstr("20777217 bytes for an image of 1000000 bytes, the same data repeatedly"));
  }
  task.state = TaskState::succeeded;
  EXPECT_EQ(explain(task, facts).find("repeatedly"), std::string::npos);
}

TEST(Explanation, EveryState) {
  Task task;
  for (std::size_t state = 0; state < kTaskStates; ++state) {
    task.state = static_cast<TaskState>(state);
    EXPECT_FALSE(explain(task, {}).empty()) << state;
  }
  task.state = TaskState::failed;
  task.reason = "checksum_mismatch";
  EXPECT_EQ(explain(task, {}), "failed in attempt 1 of 3: checksum_mismatch");
}

}  // namespace
}  // namespace ota::rest::test
