// /channels: what is taken, what is answered, and each refusal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using Json = nlohmann::json;
using testing::ElementsAre;

class ChannelCalls : public testing::Test {
 protected:
  ChannelCalls() {
    bench.write([&] { bench.fleet->put(Channel{"stable", {}, false, "the many"}); });
  }
  void add_device(const std::string& id, const std::string& version, int days_ago = 0) {
    Device device;
    device.id = id;
    device.channel = "stable";
    device.hardware = "gw-a";
    device.current_version = version;
    device.created = bench.clock.wall();
    device.last_seen = bench.clock.wall() - std::chrono::days{days_ago};
    bench.write([&] { bench.unit->put(device); });
  }
  Seen put(const std::string& name, const char* body) { return bench.call(Method::put, "/channels/" + name, body); }

  Bench bench;
  ScriptedFleet& fleet = bench.engine.fleet_control;
};

TEST_F(ChannelCalls, WithDevicesTargetsAndRollouts) {
  add_device("gw-1", "1.4.0");
  add_device("gw-2", "1.4.0", 30);
  Rollout rollout;
  rollout.id.day = 20261126;
  rollout.spec.channel = "stable";
  rollout.spec.version = "1.5.0";
  rollout.hardware = "gw-a";
  rollout.created = bench.clock.wall();
  bench.write([&] {
    bench.rollouts->insert(rollout);
    bench.fleet->put(Target{"stable", "gw-a", "1.4.0", rollout.id.number});
    bench.fleet->put(Target{"stable", "", "1.0.0", 77});
  });
  const auto json = bench.get("/channels/stable").json;
  EXPECT_EQ(json["name"], "stable");
  EXPECT_EQ(json["window"], nullptr);
  EXPECT_EQ(json["window_open"], true);
  EXPECT_EQ(json["approval"], false);
  EXPECT_EQ(json["notes"], "the many");
  EXPECT_EQ(json["devices"], (Json{{"all", 2}, {"living", 1}}));
  ASSERT_EQ(json["hardware"].size(), 2u);
  EXPECT_EQ(json["hardware"][0]["hardware"], nullptr);
  EXPECT_EQ(json["hardware"][0]["target"], (Json{{"version", "1.0.0"}, {"rollout_id", nullptr}}));
  EXPECT_EQ(json["hardware"][1]["hardware"], "gw-a");
  EXPECT_EQ(json["hardware"][1]["target"], (Json{{"version", "1.4.0"}, {"rollout_id", rollout.id.str()}}));
  EXPECT_EQ(json["hardware"][1]["versions"],
            Json::parse(R"([{"version": "1.4.0", "pinned": false, "devices": 2, "living": 1}])"));
  ASSERT_EQ(json["rollouts"].size(), 1u);
  EXPECT_EQ(json["rollouts"][0]["state"], "running");

  const auto list = bench.get("/channels").json["items"];
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["name"], "default");
  EXPECT_EQ(list[0]["devices"]["all"], 0);
  EXPECT_EQ(list[1], json);
  EXPECT_EQ(bench.get("/channels/nowhere").code(), "not_found");
  EXPECT_THAT(bench.get("/channels?x=1").fields(), ElementsAre("x"));
}

TEST_F(ChannelCalls, Put) {
  auto seen = put("stable", R"({"window": {"days": ["sat", "sun"], "from": "23:00", "to": "04:00",
                               "timezone": "Europe/Berlin"}, "approval": true, "notes": "x"})");
  EXPECT_EQ(seen.reply.status, 201u);
  EXPECT_EQ(seen.header("Location"), "/channels/stable");
  EXPECT_EQ(to_text(fleet.channel->windows.value()), "sat,sun 23:00-04:00 Europe/Berlin");
  EXPECT_EQ(fleet.channel->approval, true);
  EXPECT_EQ(fleet.channel->notes, "x");
  fleet.created = false;
  seen = put("stable", R"({"window": [{"from": "00:00", "to": "24:00", "timezone": "device"},
                                      {"from": "01:00", "to": "02:00"}]})");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(to_text(fleet.channel->windows.value()), "* 00:00-24:00 device;* 01:00-02:00 UTC");
  EXPECT_FALSE(fleet.channel->approval || fleet.channel->notes);
  EXPECT_EQ(put("stable", R"({"window": null})").reply.status, 200u);
  EXPECT_TRUE(fleet.channel->windows && fleet.channel->windows->empty());
  EXPECT_EQ(put("stable", "").reply.status, 200u);
  EXPECT_FALSE(fleet.channel->windows);
}

TEST_F(ChannelCalls, EachWrongFieldIsNamed) {
  const std::vector<std::pair<std::string, const char*>> wrong = {
      {"window", R"({"window": "night"})"},
      {"window[0].to", R"({"window": {"from": "01:00"}})"},
      {"window[0].from", R"({"window": {"from": "1", "to": "02:00"}})"},
      {"window[1].timezone", R"({"window": [{"from": "01:00", "to": "02:00"},
                                            {"from": "01:00", "to": "02:00", "timezone": "Mars/Base"}]})"},
      {"window[0].day", R"({"window": {"day": "sat", "from": "01:00", "to": "02:00"}})"},
      {"window[0].days", R"({"window": {"days": ["saturday"], "from": "01:00", "to": "02:00"}})"},
      {"window", R"({"window": [{},{},{},{},{},{},{},{}]})"},
      {"approval", R"({"approval": "yes"})"},
      {"notes", R"({"notes": 5})"},
      {"name", R"({"name": "x"})"},
  };
  for (const auto& [field, body] : wrong) {
    const auto seen = put("stable", body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_EQ(seen.code(), "malformed");
    EXPECT_THAT(seen.fields(), ElementsAre(field)) << body;
  }
  for (const auto* name : {"Stable", "a%20b", "a.b"}) EXPECT_THAT(put(name, "{}").fields(), ElementsAre("name"));
  EXPECT_TRUE(fleet.calls.empty());
}

TEST_F(ChannelCalls, Removals) {
  EXPECT_EQ(bench.call(Method::delete_, "/channels/beta").reply.status, 204u);
  EXPECT_EQ(bench.call(Method::delete_, "/channels/beta/targets/gw-a").reply.status, 204u);
  EXPECT_EQ(bench.call(Method::delete_, "/channels/beta/targets/*").reply.status, 204u);
  EXPECT_THAT(fleet.calls,
              ElementsAre("remove_channel beta", "remove_target beta 'gw-a'", "remove_target beta ''"));
  fleet.trouble = fail(Errc::in_use, "devices follow it");
  EXPECT_EQ(bench.call(Method::delete_, "/channels/beta").reply.status, 409u);
  fleet.trouble = fail(Errc::not_found, "none");
  EXPECT_EQ(bench.call(Method::delete_, "/channels/beta/targets/*").reply.status, 404u);
  EXPECT_EQ(put("beta", "{}").code(), "not_found");
}

}  // namespace
}  // namespace ota::rest::test
