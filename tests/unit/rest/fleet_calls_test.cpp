// The devices of a rollout, their history and report; moves, explain, blocked firmware, the fleet, and their metrics.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class FleetCalls : public testing::Test {
 protected:
  FleetCalls() {
    rollout.id.day = 20261126;
    rollout.spec.channel = "default";
    rollout.spec.version = "1.5.0";
    rollout.spec.stages.resize(1);
    rollout.created = bench.clock.wall();
    bench.write([&] { bench.rollouts->insert(rollout); });
  }

  Task add_member(const std::string& device, TaskState state, const std::string& reason = {}) {
    bench.clock.advance(Millis{1'000});
    Task task;
    task.id.day = 20261126;
    task.device = device;
    task.version = "1.5.0";
    task.size = 2'048'000;
    task.from_version = "1.4.0";
    task.rollout = rollout.id.number;
    task.state = state;
    task.reason = reason;
    task.detail = reason.empty() ? "" : "it said, \"no\"";
    if (state != TaskState::queued) task.passed_tl = Millis{1};
    task.bytes_sent = 1'000;
    task.created = task.updated = task.bucket_since = bench.clock.wall();
    task.offered = task.created - std::chrono::seconds{90};
    if (is_end(state)) task.ended = task.created;
    bench.write([&] { bench.unit->insert(task); });
    return task;
  }
  static bool is_end(TaskState state) { return state == TaskState::succeeded || state == TaskState::failed; }
  void add_device(const std::string& id, const std::string& version, const std::string& site = "berlin") {
    Device device;
    device.id = id;
    device.hardware = "gw-a";
    device.current_version = version;
    device.tags["site"] = site;
    device.created = bench.clock.wall();
    device.last_seen = bench.clock.wall();
    bench.write([&] { bench.unit->put(device); });
  }
  std::vector<std::string> ids(const std::string& query) {
    std::vector<std::string> found;
    const auto json = bench.get(path(query)).json;
    for (const auto& item : json["items"]) found.push_back(item["device_id"]);
    return found;
  }
  std::string path(const std::string& rest) const { return "/rollouts/" + rollout.id.str() + "/" + rest; }

  Bench bench;
  ScriptedFleet& fleet = bench.engine.fleet_control;
  Rollout rollout;
};

TEST_F(FleetCalls, TheDevicesOfABucketLongestThereFirst) {
  for (const auto* id : {"gw-3", "gw-1", "gw-2"})
    add_member(id, TaskState::failed, id[3] == '1' ? "silent" : "rolled_back");
  add_member("gw-4", TaskState::succeeded);
  EXPECT_THAT(ids("devices?bucket=failed"), ElementsAre("gw-3", "gw-1", "gw-2"));
  EXPECT_THAT(ids("devices?bucket=failed&reason=silent"), ElementsAre("gw-1"));
  EXPECT_THAT(ids("devices?bucket=healthy"), ElementsAre("gw-4"));
  EXPECT_THAT(ids("devices?bucket=staged"), ElementsAre());
  const auto page = bench.get(path("devices?bucket=failed&limit=2")).json;
  EXPECT_EQ(page["items"][0]["bucket"], "failed");
  EXPECT_EQ(page["items"][0]["reason"], "rolled_back");
  EXPECT_EQ(page["items"][0]["from_version"], "1.4.0");
  EXPECT_THAT(ids("devices?bucket=failed&cursor=" + page["next"].get<std::string>()), ElementsAre("gw-2"));
  EXPECT_THAT(bench.get(path("devices")).fields(), ElementsAre("bucket"));
  EXPECT_THAT(bench.get(path("devices?bucket=ill")).fields(), ElementsAre("bucket"));
  EXPECT_THAT(bench.get(path("devices?bucket=failed&cursor=x")).fields(), ElementsAre("cursor"));
  EXPECT_EQ(bench.get("/rollouts/RO_20261126_000009/devices?bucket=failed").code(), "not_found");
}

TEST_F(FleetCalls, TheReport) {
  const auto task = add_member("gw-1", TaskState::failed, "rolled_back");
  add_member("gw-2", TaskState::succeeded);
  const auto items = bench.get(path("report")).json["items"];
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[0], (Json{{"device_id", "gw-1"},
                            {"from", "1.4.0"},
                            {"to", "1.5.0"},
                            {"bucket", "failed"},
                            {"reason", "rolled_back"},
                            {"detail", "it said, \"no\""},
                            {"task_id", task.id.str()},
                            {"attempts", 1},
                            {"bytes", 1000},
                            {"seconds", 90},
                            {"started_at", to_rfc3339(task.offered.value())},
                            {"ended_at", to_rfc3339(task.ended.value())}}));
  const auto csv = bench.call(Method::get, path("report?limit=1"), "", {{"Accept", "text/csv"}});
  EXPECT_THAT(csv.reply.content_type, HasSubstr("text/csv"));
  EXPECT_THAT(csv.reply.body, HasSubstr("device_id,from,to,bucket,reason,detail,task_id,attempts,bytes,seconds,"
                                        "started_at,ended_at\r\ngw-1,1.4.0,1.5.0,failed,rolled_back,\"it said, "
                                        "\"\"no\"\"\","));
  EXPECT_THAT(csv.header("Link"), HasSubstr("rel=\"next\""));
  EXPECT_EQ(bench.get("/rollouts/x/report").code(), "not_found");
}

TEST_F(FleetCalls, TheHistoryByStep) {
  const auto begin = std::chrono::floor<std::chrono::hours>(bench.clock.wall());
  for (int minute = 0; minute < 10; ++minute) {
    BucketCounts counts{};
    at(counts, Bucket::healthy) = minute;
    bench.write([&] { bench.rollouts->add_point(rollout.id.number, {begin + std::chrono::minutes{minute}, counts}); });
  }
  const auto healthy = [&](const std::string& query) {
    std::vector<int> found;
    const auto json = bench.get(path("history" + query)).json;
    for (const auto& item : json["items"])
      found.push_back(item["buckets"]["healthy"]);
    return found;
  };
  EXPECT_EQ(healthy("").size(), 10u);
  EXPECT_THAT(healthy("?step=300"), ElementsAre(4, 9)) << "the last of each";
  const auto page = bench.get(path("history?step=300&limit=1")).json;
  EXPECT_EQ(page["items"][0]["at"], to_rfc3339(begin + std::chrono::minutes{4}));
  EXPECT_THAT(healthy("?step=300&cursor=" + page["next"].get<std::string>()), ElementsAre(9));
  EXPECT_THAT(bench.get(path("history?step=1")).fields(), ElementsAre("step"));
  EXPECT_EQ(bench.get("/rollouts/x/history").code(), "not_found");
}

TEST_F(FleetCalls, Explain) {
  fleet.explanation.device = "gw-1";
  fleet.explanation.runs = "1.4.0";
  fleet.explanation.should_run = "1.5.0";
  fleet.explanation.by = "rollout RO_20261126_000001 stage 2";
  fleet.explanation.verdict = "stage_delay";
  fleet.explanation.text = "the next stage opens later";
  fleet.explanation.next = "the next stage opens";
  fleet.explanation.next_at = bench.clock.wall();
  fleet.explanation.checks = {{"absent", true, ""}, {"stage_delay", false, "soon"}};
  const auto seen = bench.get("/devices/gw-1/explain");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json, Json::parse(R"({"device_id": "gw-1", "runs": "1.4.0", "should_run": "1.5.0",
    "by": "rollout RO_20261126_000001 stage 2", "verdict": "stage_delay", "text": "the next stage opens later",
    "next": {"what": "the next stage opens", "at": "2026-11-22T08:30:00Z"},
    "checks": [{"check": "absent", "ok": true, "detail": null},
               {"check": "stage_delay", "ok": false, "detail": "soon"}]})"));
  EXPECT_THAT(fleet.calls, ElementsAre("explain gw-1"));
  fleet.trouble = fail(Errc::overloaded, "busy");
  EXPECT_EQ(bench.get("/devices/gw-1/explain").reply.status, 503u);
}

TEST_F(FleetCalls, MovesByName) {
  const auto seen = bench.call(Method::post, "/devices/move", R"({"channel": "beta", "devices": ["gw-1", "gw-2"]})");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json, (Json{{"moved", 2}, {"unknown", Json::array()}, {"will_update", 1}}));
  ASSERT_EQ(fleet.moves.size(), 1u);
  EXPECT_EQ(fleet.moves[0].channel, "beta");
  EXPECT_FALSE(fleet.moves[0].dry_run);
  EXPECT_THAT(fleet.moves[0].devices, ElementsAre("gw-1", "gw-2"));
  fleet.trouble = fail(Errc::not_found, "there is no channel beta");
  EXPECT_EQ(bench.call(Method::post, "/devices/move", R"({"channel": "beta", "devices": []})").code(), "not_found");
}

TEST_F(FleetCalls, MovesBySelectionInBatches) {
  for (int i = 0; i < 1'203; ++i) add_device("gw-" + std::to_string(i), "1.4.0", i % 3 == 0 ? "bonn" : "berlin");
  auto seen = bench.call(Method::post, "/devices/move?dry_run=true",
                         R"({"channel": "beta", "where": ["tag.site=berlin", "version<2"]})");
  EXPECT_EQ(seen.json["moved"], 802);
  EXPECT_TRUE(fleet.moves.at(0).dry_run);
  fleet.moves.clear();
  seen = bench.call(Method::post, "/devices/move", R"({"channel": "beta", "where": ["id~*"]})");
  EXPECT_EQ(seen.json["moved"], 1'203);
  ASSERT_EQ(fleet.moves.size(), 2u);
  EXPECT_EQ(fleet.moves[0].devices.size(), engine::MoveOrder::kMaxDevices);
  fleet.moves.clear();
  EXPECT_EQ(bench.call(Method::post, "/devices/move", R"({"channel": "beta", "where": ["id=none"]})").json["moved"], 0);
  EXPECT_EQ(fleet.moves.size(), 1u) << "the engine says whether the channel is there";
}

TEST_F(FleetCalls, MovesThatAreRefused) {
  for (const auto& [field, body] : std::vector<std::pair<std::string, const char*>>{
           {"channel", R"({"devices": ["a"]})"},
           {"devices", R"({"channel": "beta"})"},
           {"devices", R"({"channel": "beta", "devices": ["a"], "where": ["id=a"]})"},
           {"devices", R"({"channel": "beta", "devices": "a"})"},
           {"where", R"({"channel": "beta", "where": []})"},
           {"where", R"({"channel": "beta", "where": ["what=5"]})"},
           {"dry_run", R"({"channel": "beta", "devices": ["a"], "dry_run": true})"}}) {
    const auto seen = bench.call(Method::post, "/devices/move", body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << body;
  }
  Json many = {{"channel", "beta"}, {"devices", std::vector<std::string>(1'001, "a")}};
  EXPECT_THAT(bench.call(Method::post, "/devices/move", many.dump()).fields(), ElementsAre("devices"));
  EXPECT_TRUE(fleet.moves.empty());
}

TEST_F(FleetCalls, BlockedFirmware) {
  auto seen = bench.call(Method::patch, "/firmware/7", R"({"blocked": true, "reason": "bricks gw-a"})");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.json["blocked"], true);
  EXPECT_EQ(seen.json["blocked_reason"], "bricks gw-a");
  EXPECT_THAT(fleet.calls, ElementsAre("block_firmware 7"));
  EXPECT_EQ(bench.call(Method::patch, "/firmware/7", R"({"blocked": true})").json["blocked"], true);
  seen = bench.call(Method::patch, "/firmware/7", R"({"blocked": false})");
  EXPECT_EQ(seen.json["blocked"], false);
  EXPECT_EQ(seen.json["blocked_reason"], nullptr);
  for (const auto& [field, body] : std::vector<std::pair<std::string, const char*>>{
           {"blocked", "{}"},
           {"blocked", R"({"blocked": 1})"},
           {"reason", R"({"blocked": false, "reason": "x"})"},
           {"reason", R"({"blocked": true, "reason": "a\u0007"})"},
           {"version", R"({"blocked": true, "version": "2"})"}})
    EXPECT_THAT(bench.call(Method::patch, "/firmware/7", body).fields(), ElementsAre(field)) << body;
  EXPECT_EQ(bench.call(Method::patch, "/firmware/x", R"({"blocked": true})").code(), "no_such_firmware");
  fleet.trouble = fail(Errc::not_found, "none");
  EXPECT_EQ(bench.call(Method::patch, "/firmware/8", R"({"blocked": true})").reply.status, 404u);
}

TEST_F(FleetCalls, TheFleetNowAndOverTime) {
  add_device("gw-1", "1.4.0");
  add_device("gw-2", "1.4.0");
  add_device("gw-3", "1.5.0");
  const auto now = bench.clock.wall();
  bench.write([&] {
    bench.fleet->add_point({"default", "gw-a", "1.4.0", now - std::chrono::days{20}, 3});
    bench.fleet->add_point({"default", "gw-a", "1.4.0", now - std::chrono::hours{2}, 2});
    bench.fleet->add_point({"default", "gw-a", "1.5.0", now - std::chrono::hours{2}, 1});
    bench.fleet->add_point({"beta", "gw-b", "9.0", now - std::chrono::hours{2}, 9});
  });
  const auto json = bench.get("/fleet?channel=default&hardware=gw-a").json;
  EXPECT_EQ(json["devices"], 3);
  EXPECT_EQ(json["living"], 3);
  EXPECT_EQ(json["present"], 3);
  ASSERT_EQ(json["versions"].size(), 2u);
  EXPECT_EQ(json["versions"][0], Json::parse(R"({"channel": "default", "hardware": "gw-a", "version": "1.4.0",
                                                 "pinned": false, "devices": 2, "living": 2})"));
  std::vector<std::string> points;
  for (const auto& point : json["points"])
    points.push_back(point["version"].get<std::string>() + " " + point["devices"].dump());
  EXPECT_THAT(points, ElementsAre("1.4.0 3", "1.4.0 2", "1.5.0 1"));
  EXPECT_EQ(bench.get("/fleet").json["points"].size(), 4u);
  EXPECT_EQ(bench.get("/fleet?channel=beta").json["devices"], 0);
  EXPECT_EQ(bench.get("/fleet?hardware=").json["devices"], 0) << "of unknown hardware";
  bench.clock.advance(std::chrono::days{30});
  EXPECT_EQ(bench.get("/fleet").json["living"], 0);
  EXPECT_EQ(bench.get("/fleet").json["present"], 0);
  for (const auto& [field, query] : std::vector<std::pair<std::string, const char*>>{
           {"since", "?since=yesterday"},
           {"step", "?step=60"},
           {"channel", "?channel=A"},
           {"hardware", "?hardware=a%20b"},
           {"version", "?version=1"}})
    EXPECT_THAT(bench.get(std::string("/fleet") + query).fields(), ElementsAre(field));
}

TEST_F(FleetCalls, Metrics) {
  add_member("gw-1", TaskState::succeeded);
  add_device("gw-1", "1.5.0");
  add_device("gw-2", "odd \"\\\n");
  const auto text = bench.get("/metrics").reply.body;
  const auto name = rollout.id.str();
  EXPECT_THAT(text, HasSubstr("otad_rollout_devices{rollout=\"" + name + "\",bucket=\"healthy\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("otad_rollout_state{rollout=\"" + name + "\",state=\"running\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("otad_fleet_devices{channel=\"default\",hardware=\"gw-a\",version=\"1.5.0\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("version=\"odd \\\"\\\\\\n\"} 1\n"));
  for (int i = 0; i < 1'500; ++i) add_device("many-" + std::to_string(i), "0." + std::to_string(i));
  const auto bounded = bench.get("/metrics").reply.body;
  EXPECT_THAT(bounded, HasSubstr("otad_fleet_devices{channel=\"\",hardware=\"\",version=\"(others)\"} 503\n"));
  std::size_t rows = 0;
  for (auto at = bounded.find("\notad_fleet_devices{"); at != std::string::npos;
       at = bounded.find("\notad_fleet_devices{", at + 1))
    ++rows;
  EXPECT_EQ(rows, 1'000u);
}

TEST_F(FleetCalls, OldRolloutsLeaveTheMetrics) {
  rollout.state = RolloutState::cancelled;
  bench.write([&] { bench.rollouts->update(rollout); });
  const auto first = rollout.id.str();
  for (int i = 0; i < 20; ++i) {
    auto next = rollout;
    bench.write([&] { bench.rollouts->insert(next); });
  }
  EXPECT_THAT(bench.get("/metrics").reply.body, Not(HasSubstr(first)));
}

TEST_F(FleetCalls, TheSummaryHasOpenRollouts) {
  add_member("gw-1", TaskState::succeeded);
  const auto rollouts = bench.get("/summary").json["rollouts"];
  ASSERT_EQ(rollouts.size(), 1u);
  EXPECT_EQ(rollouts[0]["rollout_id"], rollout.id.str());
  EXPECT_EQ(rollouts[0]["state"], "running");
  EXPECT_EQ(rollouts[0]["waiting_for"]["what"], "start") << "of its first stage";
  EXPECT_EQ(rollouts[0]["buckets"]["healthy"], 1);
  rollout.state = RolloutState::completed;
  bench.write([&] { bench.rollouts->update(rollout); });
  EXPECT_TRUE(bench.get("/summary").json["rollouts"].empty());
  rollout.state = RolloutState::halted_target;
  bench.write([&] { bench.rollouts->update(rollout); });
  EXPECT_EQ(bench.get("/summary").json["rollouts"][0]["state"], "halted");
}

TEST_F(FleetCalls, AnOrderMayPinTheDevice) {
  bench.engine.outcome = engine::UpgradeOutcome{};
  const auto post = [&](const char* body) { return bench.call(Method::post, "/firmware/upgrade", body); };
  post(R"({"device_id": "gw-1", "firmware_version": "1.4.0", "pin": true})");
  EXPECT_TRUE(bench.engine.order->pin);
  post(R"({"device_id": "gw-1", "firmware_version": "1.4.0"})");
  EXPECT_FALSE(bench.engine.order->pin);
  EXPECT_THAT(post(R"({"device_id": "gw-1", "firmware_version": "1.4.0", "pin": 1})").fields(), ElementsAre("pin"));
}

}  // namespace
}  // namespace ota::rest::test
