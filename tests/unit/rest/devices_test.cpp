// The registry as operators see it.
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

Device known(const std::string& id) {
  Device device;
  device.id = id;
  device.hardware = "gw-a";
  device.current_version = "1.3.2";
  device.created = WallTime{Millis{1'795'336'200'000}};
  device.last_seen = device.created;
  device.transports = {Transport::http, Transport::mqtt};
  device.max_chunk_bytes = 65536;
  device.tags = {{"site", "north"}};
  device.secret = Digest{1, 2, 3};
  return device;
}

TEST(Devices, OneWithItsActiveTask) {
  Bench bench;
  bench.write([&] { bench.unit->put(known("gw-1")); });
  auto task = bench.add_task("gw-1");
  task.state = TaskState::downloading;
  bench.write([&] { bench.unit->put(task); });
  const auto seen = bench.get("/devices/gw-1");
  ASSERT_EQ(seen.reply.status, 200u);
  auto json = seen.json;
  EXPECT_EQ(json["active_task"]["task_id"], task.id.str());
  EXPECT_EQ(json["active_task"]["state"], "downloading");
  json.erase("active_task");
  EXPECT_EQ(
      json,
      Json::parse(
          R"({"device_id":"gw-1","hardware":"gw-a","reported_hardware":null,"current_version":"1.3.2","version_confirmed":false,"registered":false,
    "has_token":true,"channel":"default","pinned":false,"timezone":null,"tags":{"site":"north"},
    "last_seen":"2026-11-22T08:30:00Z","transports":["http","mqtt"],"max_chunk_bytes":65536,"link":{"verdict":"unknown","transport":null,"rtt_ms":null,"rssi":null,"loss":null,
    "measured":{"rtt_ms":null,"loss":null,"rate":null},"stalls":0,"resumes":0,"mismatches":0,"cut_replies":0,
    "mqtt_first":false},
    "protocol":null,"client":null,"attributes":{},
    "created_at":"2026-11-22T08:30:00Z"})"));
}

TEST(Devices, OneWithWhatItSaysOfItself) {
  Bench bench;
  auto device = known("gw-1");
  device.attributes = {{"hwRevision", "2"}};
  device.protocol = Protocol::ddi;
  device.client = "libcurl-agent/1.0";
  bench.write([&] { bench.unit->put(device); });
  const auto json = bench.get("/devices/gw-1").json;
  EXPECT_EQ(json["attributes"], Json::parse(R"({"hwRevision":"2"})"));
  EXPECT_EQ(json["protocol"], "ddi");
  EXPECT_EQ(json["client"], "libcurl-agent/1.0");
  const auto listed = bench.get("/devices").json["items"][0];
  EXPECT_EQ(listed["client"], "libcurl-agent/1.0");
  EXPECT_FALSE(listed.contains("attributes"));
}

TEST(Devices, ListInTheOrderOfIds) {
  Bench bench;
  bench.write([&] {
    for (const auto* id : {"c", "a", "b"}) bench.unit->put(known(id));
  });
  std::vector<std::string> found;
  std::string target = "/devices?limit=1";
  for (;;) {
    const auto seen = bench.get(target);
    ASSERT_EQ(seen.json["items"].size(), 1u);
    found.push_back(seen.json["items"][0]["device_id"]);
    if (seen.json["next"].is_null()) break;
    target = "/devices?limit=1&cursor=" + seen.json["next"].get<std::string>();
  }
  EXPECT_THAT(found, ElementsAre("a", "b", "c"));
  EXPECT_TRUE(bench.get("/devices").json["items"][0]["active_task"].is_null());
}

TEST(Devices, Put) {
  Bench bench;
  auto seen =
      bench.call(Method::put, "/devices/gw-1", R"({"hardware": "gw-a", "tags": {"site": "north", "rack": "7"}})");
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), "/devices/gw-1");
  EXPECT_EQ(seen.json["tags"], Json::parse(R"({"site": "north", "rack": "7"})"));
  EXPECT_TRUE(bench.engine.change->may_create);
  EXPECT_EQ(bench.engine.change->hardware, "gw-a");
  bench.engine.created = false;
  EXPECT_EQ(bench.call(Method::put, "/devices/gw-1", "{}").reply.status, 200u);
  EXPECT_EQ(bench.call(Method::put, "/devices/gw-1").reply.status, 200u);
}

TEST(Devices, WhatIsNotGivenStays) {
  Bench bench;
  for (const auto method : {Method::put, Method::patch}) {
    bench.engine.created = false;
    const auto sent = [&](const char* body) {
      EXPECT_EQ(bench.call(method, "/devices/gw-1", body).reply.status, 200u) << body;
      EXPECT_EQ(bench.engine.change->device, "gw-1");
      EXPECT_EQ(bench.engine.change->may_create, method == Method::put);
      return *bench.engine.change;
    };
    EXPECT_FALSE(sent("{}").hardware);
    const auto tags = sent(R"({"tags": {"site": "north", "rack": null}})");
    EXPECT_FALSE(tags.hardware);
    EXPECT_FALSE(tags.clear_tags);
    EXPECT_EQ(tags.tags,
              (std::map<std::string, std::optional<std::string>>{{"site", "north"}, {"rack", std::nullopt}}));
    const auto hardware = sent(R"({"hardware": null})");
    EXPECT_EQ(hardware.hardware, "");
    EXPECT_TRUE(hardware.tags.empty());
    EXPECT_TRUE(sent(R"({"tags": null})").clear_tags);
    EXPECT_EQ(sent(R"({"hardware": ""})").hardware, "");
    const auto none = sent("{}");
    EXPECT_FALSE(none.channel || none.pinned || none.timezone);
    const auto all = sent(R"({"channel": "beta", "pinned": true, "timezone": "Europe/Berlin"})");
    EXPECT_EQ(all.channel, "beta");
    EXPECT_EQ(all.pinned, true);
    EXPECT_EQ(all.timezone, "Europe/Berlin");
    const auto cleared = sent(R"({"channel": null, "pinned": null, "timezone": null})");
    EXPECT_EQ(cleared.channel, "default");
    EXPECT_EQ(cleared.pinned, false);
    EXPECT_EQ(cleared.timezone, "");
  }
}

TEST(Devices, PatchOfAnUnknownOne) {
  Bench bench;
  bench.engine.trouble = fail(Errc::unknown_device, "there is no device nobody");
  const auto seen = bench.call(Method::patch, "/devices/nobody", R"({"hardware": "gw-a"})");
  EXPECT_EQ(seen.reply.status, 404u);
  EXPECT_EQ(seen.code(), "unknown_device");
}

TEST(Devices, WrongPuts) {
  Bench bench;
  Json many = Json::object();
  for (int i = 0; i < 65; ++i) many[std::to_string(i)] = "x";
  const std::vector<std::pair<std::string, Json>> wrong = {
      {"hardware", {{"hardware", 5}}},    {"hardware", {{"hardware", "a b"}}},
      {"tags", {{"tags", "x"}}},          {"tags", {{"tags", Json::array({"x"})}}},
      {"tags", {{"tags", many}}},         {"tags", {{"tags", {{"a", "b\x1f"}}}}},
      {"tags.a", {{"tags", {{"a", 5}}}}}, {"tags.", {{"tags", {{"", "x"}}}}},
      {"hardwar", {{"hardwar", "x"}}},    {"channel", {{"channel", "A"}}},
      {"pinned", {{"pinned", "yes"}}},    {"timezone", {{"timezone", "Mars/Base"}}}};
  for (const auto& [field, body] : wrong) {
    const auto seen = bench.call(Method::put, "/devices/gw-1", body.dump());
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << body;
  }
  EXPECT_THAT(bench.call(Method::put, "/devices/a%20b", "{}").fields(), ElementsAre("id"));
  for (const auto* dots : {"/devices/.", "/devices/..", "/devices/%2e", "/devices/%2E%2e"}) {
    const auto seen = bench.call(Method::put, dots, "{}");
    EXPECT_EQ(seen.reply.status, 404u) << dots;
    EXPECT_THAT(seen.json["detail"].get<std::string>(), HasSubstr("no part of a path may be . or ..")) << dots;
  }
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST(Devices, Remove) {
  Bench bench;
  const auto seen = bench.call(Method::delete_, "/devices/gw-1");
  EXPECT_EQ(seen.reply.status, 204u);
  EXPECT_EQ(seen.reply.body, "");
  EXPECT_EQ(bench.engine.device_id, "gw-1");
}

TEST(Devices, TokenIsShownOnceAndKeptAsDigest) {
  Bench bench;
  const auto seen = bench.call(Method::post, "/devices/gw-1/token");
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Cache-Control"), "no-store");
  const auto token = seen.json["token"].get<std::string>();
  EXPECT_EQ(token.size(), 43u);
  EXPECT_EQ(bench.engine.secret, firmware::sha256(token));
  EXPECT_NE(bench.call(Method::post, "/devices/gw-1/token").json["token"], token);
}

TEST(Devices, UnknownOnes) {
  Bench bench;
  bench.engine.trouble = fail(Errc::unknown_device, "there is no device nobody");
  for (const auto& [method, path] :
       {std::pair{Method::get, "/devices/nobody"}, std::pair{Method::delete_, "/devices/nobody"},
        std::pair{Method::post, "/devices/nobody/token"}, std::pair{Method::get, "/devices/a%20b"}}) {
    const auto seen = bench.call(method, path);
    EXPECT_EQ(seen.reply.status, 404u) << path;
    EXPECT_EQ(seen.code(), "unknown_device");
  }
}

}  // namespace
}  // namespace ota::rest::test
