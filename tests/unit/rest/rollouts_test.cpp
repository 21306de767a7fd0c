// /rollouts: what is taken, what is answered, and each refusal with its code and field.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Json rollout_body() { return {{"channel", "stable"}, {"version", "1.5.0"}}; }

class RolloutCalls : public testing::Test {
 protected:
  RolloutCalls() {
    fleet.spec.stages.resize(2);
    fleet.spec.stages.front().to = {Share::Kind::canary, 0};
    fleet.rollout = made();
    bench.write([&] {
      bench.fleet->put(Channel{"stable", {}, false, {}});
      bench.rollouts->insert(fleet.rollout);
    });
  }

  /// One that runs, in its second stage of 80 of 800.
  Rollout made() {
    Rollout rollout;
    rollout.id.day = 20261126;
    auto& spec = rollout.spec;
    spec.channel = "stable";
    spec.version = "1.5.0";
    spec.stages.resize(3);
    spec.stages[0].to = {Share::Kind::canary, 0};
    spec.stages[1].to = {Share::Kind::percent, 1'000};
    rollout.hardware = "gw-a";
    rollout.replaces = "1.4.0";
    rollout.created_by = "ops-1";
    rollout.created = bench.clock.wall() - std::chrono::hours{2};
    rollout.started = rollout.created;
    rollout.stage = 1;
    rollout.living = 812;
    rollout.eligible = 719;
    rollout.total = 800;
    rollout.budget = 8;
    for (int i : {0, 1}) {
      auto& stage = spec.stages[static_cast<std::size_t>(i)];
      stage.size = i == 0 ? 8 : 80;
      stage.opened_at = rollout.created + std::chrono::hours{i};
    }
    spec.stages[0].passed_at = rollout.created + std::chrono::hours{1};
    return rollout;
  }

  /// A device of the rollout that is in that state.
  void add_member(const std::string& device, TaskState state, const std::string& reason = {}) {
    Task task;
    task.id.day = 20261126;
    task.device = device;
    task.version = "1.5.0";
    task.size = 2'048'000;
    task.from_version = "1.4.0";
    task.rollout = fleet.rollout.id.number;
    task.state = state;
    task.reason = reason;
    if (state != TaskState::queued) task.passed_tl = Millis{1};
    task.created = task.updated = task.bucket_since = bench.clock.wall();
    bench.write([&] { bench.unit->insert(task); });
  }

  Seen post(const std::string& path, const Json& body, std::map<std::string, std::string> headers = {}) {
    return bench.call(Method::post, path, body.dump(), std::move(headers));
  }
  std::string path(const std::string& verb = {}) const {
    return "/rollouts/" + fleet.rollout.id.str() + (verb.empty() ? "" : "/" + verb);
  }

  Bench bench;
  ScriptedFleet& fleet = bench.engine.fleet_control;
};

TEST_F(RolloutCalls, TheLeastThatIsNeeded) {
  const auto seen = post("/rollouts", rollout_body());
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), path());
  EXPECT_EQ(seen.json["rollout_id"], fleet.rollout.id.str());
  EXPECT_EQ(seen.json["state"], "running");
  const auto& order = fleet.order.value();
  EXPECT_EQ(order.spec.channel, "stable");
  EXPECT_EQ(order.spec.version, "1.5.0");
  EXPECT_EQ(order.spec.stages.size(), 2u) << "the default ones";
  EXPECT_EQ(order.spec.soak_s, 1'800);
  EXPECT_FALSE(order.spec.hardware || order.spec.max_soaking || order.spec.not_before || order.spec.force ||
               order.supersede);
  EXPECT_EQ(order.idempotency_key, "");
}

TEST_F(RolloutCalls, AllThatCanBeSaid) {
  const auto body = Json::parse(R"({"channel": "stable", "version": "1.5.0", "hardware": "gw-a",
    "stages": ["canary", 40, {"to": "25%", "tags": {"site": "lab"}, "delay_s": 86400, "approve": true}],
    "max_failures": "0.5%", "max_soaking": 20, "soak_s": 60, "stage_delay_s": 0, "only_from": ["1.4.0", "1.4.1"],
    "where": ["tag.site=berlin"], "priority": "high", "not_before": "2026-11-26T10:00:00Z",
    "expires_at": "2026-12-26T10:00:00Z", "ignore_window": true, "postpone_s": 0, "force": true, "supersede": true,
    "notes": "spring"})");
  ASSERT_EQ(post("/rollouts", body, {{"Idempotency-Key", "k-1"}}).reply.status, 201u);
  const auto& order = fleet.order.value();
  const auto& spec = order.spec;
  EXPECT_EQ(spec.hardware, "gw-a");
  ASSERT_EQ(spec.stages.size(), 4u) << "the last is 100%";
  EXPECT_EQ(spec.stages[1].to, (Share{Share::Kind::count, 40}));
  EXPECT_EQ(spec.stages[2].tags, (std::map<std::string, std::string>{{"site", "lab"}}));
  EXPECT_EQ(spec.stages[2].delay_s, 86'400);
  EXPECT_TRUE(spec.stages[2].approve);
  EXPECT_TRUE(spec.stages[3].to.is_all());
  EXPECT_EQ(spec.max_failures, (Share{Share::Kind::percent, 50}));
  EXPECT_EQ(spec.max_soaking, 20);
  EXPECT_EQ(spec.soak_s, 60);
  EXPECT_EQ(spec.stage_delay_s, 0);
  EXPECT_THAT(spec.only_from, ElementsAre("1.4.0", "1.4.1"));
  EXPECT_THAT(spec.where, ElementsAre("tag.site=berlin"));
  EXPECT_EQ(spec.priority, Priority::high);
  EXPECT_EQ(to_rfc3339(spec.not_before.value()), "2026-11-26T10:00:00Z");
  EXPECT_EQ(to_rfc3339(spec.expires_at.value()), "2026-12-26T10:00:00Z");
  EXPECT_TRUE(spec.ignore_window && spec.force && order.supersede);
  EXPECT_EQ(spec.postpone_s, 0);
  EXPECT_EQ(spec.notes, "spring");
  EXPECT_EQ(order.idempotency_key, "k-1");
  EXPECT_EQ(order.body_digest, firmware::sha256(body.dump()));
}

TEST_F(RolloutCalls, NullLeavesWhatIsOptional) {
  auto body = rollout_body();
  for (const auto* name : {"hardware", "max_soaking", "only_from", "not_before", "expires_at"}) body[name] = nullptr;
  EXPECT_EQ(post("/rollouts", body).reply.status, 201u);
}

TEST_F(RolloutCalls, EachWrongFieldIsNamed) {
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"channel", 5},
      {"version", ""},
      {"version", "1/2"},
      {"hardware", "a b"},
      {"max_failures", 0},
      {"max_failures", "0%"},
      {"max_failures", "101%"},
      {"max_failures", "canary"},
      {"max_failures", 1.5},
      {"max_failures", nullptr},
      {"max_soaking", 0},
      {"soak_s", 0},
      {"soak_s", "60"},
      {"stage_delay_s", -1},
      {"postpone_s", -1},
      {"only_from", "1.4.0"},
      {"where", Json::array({"nothing"})},
      {"priority", "urgent"},
      {"not_before", "tomorrow"},
      {"expires_at", 5},
      {"ignore_window", "no"},
      {"force", 1},
      {"supersede", "x"},
      {"notes", 5},
      {"stges", Json::array()},
      {"id", 5},
  };
  for (const auto& [field, value] : wrong) {
    auto body = rollout_body();
    body[field] = value;
    const auto seen = post("/rollouts", body);
    SCOPED_TRACE(body.dump());
    EXPECT_EQ(seen.reply.status, 422u);
    EXPECT_EQ(seen.code(), "malformed");
    EXPECT_THAT(seen.fields(), ElementsAre(field));
  }
  EXPECT_THAT(post("/rollouts", Json::object()).fields(), ElementsAre("channel", "version"));
  EXPECT_TRUE(fleet.calls.empty());
}

TEST_F(RolloutCalls, AWrongStageIsNamedWithItsPlace) {
  const auto fields = [&](const char* stages) {
    auto body = rollout_body();
    body["stages"] = Json::parse(stages);
    const auto seen = post("/rollouts", body);
    EXPECT_EQ(seen.reply.status, 422u) << stages;
    return seen.fields();
  };
  EXPECT_THAT(fields(R"(["10%", "ten"])"), ElementsAre("stages[1].to"));
  EXPECT_THAT(fields(R"([{"delay_s": 5}])"), ElementsAre("stages[0].to"));
  EXPECT_THAT(fields(R"([{"to": "10%", "aprove": true}])"), ElementsAre("stages[0].aprove"));
  EXPECT_THAT(fields(R"([{"to": "10%", "tags": {"site": null}}])"), ElementsAre("stages[0].tags.site"));
  EXPECT_THAT(fields(R"([{"to": "10%", "delay_s": -1}])"), ElementsAre("stages[0].delay_s"));
  EXPECT_THAT(fields(R"(["20%", "10%"])"), ElementsAre("stages[1]"));
  EXPECT_THAT(fields(R"([true])"), ElementsAre("stages[0]"));
  EXPECT_THAT(fields(R"(["1%","2%","3%","4%","5%","6%","7%","8%","9%","10%","11%","12%","13%","14%","15%","16%","17%",
                         "18%","19%","20%"])"),
              ElementsAre("stages"));
}

TEST_F(RolloutCalls, TheOpenOneIsAnsweredWith200) {
  fleet.created = false;
  const auto seen = post("/rollouts", rollout_body());
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.header("Location"), "");
  EXPECT_EQ(seen.json["rollout_id"], fleet.rollout.id.str());
}

TEST_F(RolloutCalls, WhatTheEngineRefuses) {
  const std::vector<std::tuple<Errc, unsigned, std::string>> refusals = {
      {Errc::not_found, 404, "not_found"},     {Errc::no_such_firmware, 404, "no_such_firmware"},
      {Errc::downgrade, 409, "downgrade"},     {Errc::rollout_active, 409, "rollout_active"},
      {Errc::blocked, 409, "blocked"},         {Errc::key_reused, 422, "key_reused"},
      {Errc::malformed, 422, "malformed"},     {Errc::wrong_state, 409, "wrong_state"},
      {Errc::still_halted, 409, "still_halted"}, {Errc::same_person, 403, "same_person"},
      {Errc::overloaded, 503, "overloaded"}};
  for (const auto& [errc, status, code] : refusals) {
    fleet.trouble = fail(errc, "because");
    for (const auto& target : {std::string("/rollouts"), std::string("/rollouts?dry_run=true")}) {
      const auto seen = post(target, rollout_body());
      EXPECT_EQ(seen.reply.status, status) << code;
      EXPECT_EQ(seen.code(), code);
    }
    EXPECT_EQ(bench.call(Method::post, path("pause")).code(), code);
    EXPECT_EQ(bench.call(Method::post, path("rollback")).code(), code);
    EXPECT_EQ(bench.call(Method::patch, path(), "{}").code(), code);
  }
}

TEST_F(RolloutCalls, ADryRunChangesNothing) {
  fleet.plan.rollout = fleet.rollout;
  fleet.plan.rollout.replaces_rollout = fleet.rollout.id.number;
  for (auto& stage : fleet.plan.rollout.spec.stages) stage.size = 8;
  fleet.plan.pinned = 3;
  fleet.plan.warnings = {"mind"};
  const auto seen = post("/rollouts?dry_run=true", rollout_body());
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_THAT(fleet.calls, ElementsAre("plan_rollout"));
  EXPECT_EQ(seen.json["living"], 812);
  EXPECT_EQ(seen.json["eligible"], 719);
  EXPECT_EQ(seen.json["left_out"]["pinned"], 3);
  EXPECT_EQ(seen.json["stages"][0]["to"], 8);
  EXPECT_EQ(seen.json["budget"], 8);
  EXPECT_EQ(seen.json["replaces"], (Json{{"version", "1.4.0"}, {"rollout_id", fleet.rollout.id.str()}}));
  EXPECT_EQ(seen.json["warnings"][0], "mind");
  EXPECT_THAT(post("/rollouts?dry_run=yes", rollout_body()).fields(), ElementsAre("dry_run"));
}

TEST_F(RolloutCalls, OneRolloutWithAllThatIsKnown) {
  add_member("gw-1", TaskState::succeeded);
  add_member("gw-2", TaskState::failed, "rolled_back");
  add_member("gw-3", TaskState::queued);
  const auto json = bench.get(path()).json;
  EXPECT_EQ(json["channel"], "stable");
  EXPECT_EQ(json["hardware"], "gw-a");
  EXPECT_EQ(json["version"], "1.5.0");
  EXPECT_EQ(json["replaces"], "1.4.0");
  EXPECT_EQ(json["state"], "running");
  EXPECT_EQ(json["reason"], nullptr);
  EXPECT_EQ(json["stage"], 2);
  ASSERT_EQ(json["stages"].size(), 3u);
  EXPECT_EQ(json["stages"][0]["to"], 8);
  EXPECT_EQ(json["stages"][0]["size"], "canary");
  EXPECT_EQ(json["stages"][1]["in"], 3);
  EXPECT_EQ(json["stages"][1]["healthy"], 1);
  EXPECT_EQ(json["stages"][1]["passed_at"], nullptr);
  EXPECT_EQ(json["stages"][2], (Json{{"to", 800}, {"size", "100%"}}));
  EXPECT_EQ(json["waiting_for"]["what"], "proof");
  EXPECT_EQ(json["budget"], 8);
  EXPECT_EQ(json["buckets"]["healthy"], 1);
  EXPECT_EQ(json["buckets"]["failed"], 1);
  EXPECT_EQ(json["buckets"]["assigned"], 1);
  EXPECT_EQ(json["from"], Json::parse(R"([{"version": "1.4.0", "in": 3, "healthy": 1, "failed": 1}])"));
  EXPECT_EQ(json["failures"], Json::parse(R"([{"reason": "rolled_back", "count": 1, "devices": ["gw-2"]}])"));
  EXPECT_EQ(json["silent_since"], 0);
  EXPECT_EQ(json["rate_per_h"], 1.0) << "none before the last hour";
  EXPECT_NE(json["eta"], nullptr);
  EXPECT_EQ(json["created_by"], "ops-1");
  EXPECT_EQ(json["max_failures"], "1%");
}

TEST_F(RolloutCalls, TheRateIsThatOfTheLastHour) {
  for (const auto* device : {"gw-1", "gw-2", "gw-3"}) add_member(device, TaskState::succeeded);
  BucketCounts before{};
  at(before, Bucket::healthy) = 1;
  bench.write([&] {
    bench.rollouts->add_point(fleet.rollout.id.number,
                                   {bench.clock.wall() - std::chrono::minutes{61}, before});
  });
  const auto json = bench.get(path()).json;
  EXPECT_EQ(json["rate_per_h"], 2.0);
  EXPECT_EQ(json["stages"][0]["healthy"], 1) << "as it was when the stage was passed";
}

TEST_F(RolloutCalls, NobodyKnowsTheEndWhereAPersonStandsBefore) {
  add_member("gw-1", TaskState::succeeded);
  fleet.rollout.spec.stages[2].approve = true;
  bench.write([&] { bench.rollouts->update(fleet.rollout); });
  EXPECT_EQ(bench.get(path()).json["eta"], nullptr);
  fleet.rollout.spec.stages[2].approve = false;
  fleet.rollout.state = RolloutState::paused;
  bench.write([&] { bench.rollouts->update(fleet.rollout); });
  const auto json = bench.get(path()).json;
  EXPECT_EQ(json["eta"], nullptr);
  EXPECT_EQ(json["waiting_for"]["what"], "operator");
  EXPECT_EQ(json["room"], 0);
}

TEST_F(RolloutCalls, HealthyDevicesThatFellSilent) {
  const auto seen = [&](const std::string& id) {
    Device device;
    device.id = id;
    device.created = bench.clock.wall();
    device.last_seen = bench.clock.wall();
    bench.write([&] { bench.unit->put(device); });
  };
  for (const auto* id : {"gw-1", "gw-2", "gw-3"}) seen(id);
  for (const auto* id : {"gw-1", "gw-2"}) add_member(id, TaskState::succeeded);
  EXPECT_EQ(bench.get(path()).json["silent_since"], 0);
  bench.clock.advance(std::chrono::hours{25});
  seen("gw-2");
  EXPECT_EQ(bench.get(path()).json["silent_since"], 1) << "gw-3 is none of its devices";
}

TEST_F(RolloutCalls, UnknownOnes) {
  for (const auto* id : {"x", "RO_20261126_000077", "RO_20260101_000001", "OTA_20261126_000001"}) {
    const auto seen = bench.get(std::string("/rollouts/") + id);
    EXPECT_EQ(seen.reply.status, 404u) << id;
    EXPECT_EQ(seen.code(), "not_found");
  }
  EXPECT_EQ(bench.call(Method::post, "/rollouts/x/pause").code(), "not_found");
  EXPECT_EQ(bench.call(Method::post, "/rollouts/x/rollback").code(), "not_found");
  EXPECT_EQ(bench.call(Method::patch, "/rollouts/x", "{}").code(), "not_found");
  EXPECT_TRUE(fleet.calls.empty());
}

TEST_F(RolloutCalls, TheListByChannelAndState) {
  auto ended = made();
  ended.state = RolloutState::cancelled;
  bench.write([&] { bench.rollouts->insert(ended); });
  auto waiting = made();
  waiting.spec.channel = "beta";
  waiting.state = RolloutState::waiting_stage;
  bench.write([&] { bench.rollouts->insert(waiting); });
  const auto ids = [&](const std::string& query) {
    std::vector<std::string> found;
    const auto json = bench.get("/rollouts" + query).json;
    for (const auto& item : json["items"]) found.push_back(item["rollout_id"]);
    return found;
  };
  EXPECT_THAT(ids(""), ElementsAre(waiting.id.str(), ended.id.str(), fleet.rollout.id.str()));
  EXPECT_THAT(ids("?channel=stable"), ElementsAre(ended.id.str(), fleet.rollout.id.str()));
  EXPECT_THAT(ids("?state=running"), ElementsAre(fleet.rollout.id.str()));
  EXPECT_THAT(ids("?state=waiting_approval"), ElementsAre(waiting.id.str()));
  EXPECT_THAT(ids("?channel=beta&state=cancelled"), ElementsAre());
  const auto page = bench.get("/rollouts?limit=1");
  EXPECT_THAT(ids("?limit=5&cursor=" + page.json["next"].get<std::string>()),
              ElementsAre(ended.id.str(), fleet.rollout.id.str()));
  EXPECT_THAT(bench.get("/rollouts?state=halt").fields(), ElementsAre("state"));
  const auto csv = bench.call(Method::get, "/rollouts?state=running", "", {{"Accept", "text/csv"}});
  EXPECT_THAT(csv.reply.body, HasSubstr(fleet.rollout.id.str() + ",stable,gw-a,1.5.0,1.4.0,running,,devices,2"));
}

TEST_F(RolloutCalls, EachCommand) {
  for (const auto& [verb, event] : std::vector<std::pair<std::string, RolloutEvent>>{
           {"pause", RolloutEvent::pause},
           {"resume", RolloutEvent::resume},
           {"advance", RolloutEvent::advance},
           {"finish", RolloutEvent::finish},
           {"cancel", RolloutEvent::cancel},
           {"approve", RolloutEvent::approve},
           {"deny", RolloutEvent::deny},
           {"retry", RolloutEvent::retry}}) {
    const auto seen = bench.call(Method::post, path(verb));
    EXPECT_EQ(seen.reply.status, 200u) << verb;
    EXPECT_EQ(seen.json["rollout_id"], fleet.rollout.id.str());
    EXPECT_EQ(fleet.ordered->event, event);
    EXPECT_EQ(fleet.ordered->id, fleet.rollout.id);
    EXPECT_THAT(post(path(verb), {{"why", 1}}).fields(), ElementsAre("why"));
    EXPECT_THAT(bench.call(Method::post, path(verb) + "?now=1").fields(), ElementsAre("now"));
  }
}

TEST_F(RolloutCalls, WhatCommandsTake) {
  EXPECT_EQ(post(path("resume"), {{"max_failures", "2%"}}).reply.status, 200u);
  EXPECT_EQ(fleet.ordered->max_failures, (Share{Share::Kind::percent, 200}));
  EXPECT_THAT(post(path("resume"), {{"max_failures", "much"}}).fields(), ElementsAre("max_failures"));
  EXPECT_EQ(post(path("retry"), {{"reason", "silent"}}).reply.status, 200u);
  EXPECT_EQ(fleet.ordered->reason, "silent");
  EXPECT_EQ(post(path("retry"), {{"devices", {"gw-1", "gw-2"}}}).reply.status, 200u);
  EXPECT_THAT(fleet.ordered->devices, ElementsAre("gw-1", "gw-2"));
  EXPECT_THAT(post(path("retry"), {{"devices", Json::array()}}).fields(), ElementsAre("devices"));
  EXPECT_THAT(post(path("retry"), {{"devices", {"a"}}, {"reason", "x"}}).fields(), ElementsAre("reason"));
  fleet.calls.clear();
  EXPECT_EQ(bench.call(Method::post, path("rollback")).reply.status, 201u);
  const auto seen = post(path("rollback"), {{"version", "1.3.0"}});
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), path());
  EXPECT_THAT(fleet.calls,
              ElementsAre("rollback RO_20261126_000001 -", "rollback RO_20261126_000001 1.3.0"));
  EXPECT_THAT(post(path("rollback"), {{"version", "1/3"}}).fields(), ElementsAre("version"));
}

TEST_F(RolloutCalls, AChange) {
  const auto patch = [&](const char* body) { return bench.call(Method::patch, path(), body); };
  EXPECT_EQ(patch(R"({"max_failures": 5, "max_soaking": null, "stage_delay_s": 60, "stages": ["50%"], "priority": "low",
                      "expires_at": null, "ignore_window": true, "notes": "n"})")
                .reply.status,
            200u);
  const auto& change = fleet.change.value();
  EXPECT_EQ(change.id, fleet.rollout.id);
  EXPECT_EQ(change.max_failures, (Share{Share::Kind::count, 5}));
  EXPECT_TRUE(change.max_soaking && !*change.max_soaking);
  EXPECT_EQ(change.stage_delay_s, 60);
  EXPECT_EQ(change.stages->size(), 1u);
  EXPECT_EQ(change.priority, Priority::low);
  EXPECT_TRUE(change.expires_at && !*change.expires_at);
  EXPECT_EQ(change.ignore_window, true);
  EXPECT_EQ(change.notes, "n");
  EXPECT_EQ(patch(R"({"max_soaking": 7})").reply.status, 200u);
  EXPECT_EQ(fleet.change->max_soaking, std::optional<std::int64_t>(7));
  EXPECT_FALSE(fleet.change->expires_at || fleet.change->max_failures || fleet.change->stages);
  for (const auto& [field, body] : std::vector<std::pair<std::string, const char*>>{
           {"version", R"({"version": "1.6.0"})"},
           {"max_soaking", R"({"max_soaking": 0})"},
           {"stages[0].to", R"({"stages": ["x"]})"},
           {"expires_at", R"({"expires_at": "soon"})"}}) {
    const auto seen = patch(body);
    EXPECT_EQ(seen.reply.status, 422u);
    EXPECT_THAT(seen.fields(), ElementsAre(field));
  }
}

}  // namespace
}  // namespace ota::rest::test
