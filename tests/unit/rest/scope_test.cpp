// Keys with a scope: what they reach, and that they reach nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rest/routes.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;

class KeyScope : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& [id, site] : {std::pair("lab-1", "lab"), std::pair("prod-1", "prod")}) {
      Device device;
      device.id = id;
      device.tags = {{"site", site}};
      device.created = bench.clock.wall();
      bench.write([&] { bench.unit->put(device); });
    }
    lab = bench.add_task("lab-1");
    prod = bench.add_task("prod-1");
    key = bench.add_key("field", Role::admin, {"tag.site=lab"});
  }

  static Options with_keys() {
    Options options;
    options.auth_required = true;
    return options;
  }

  Seen call(Method method, const std::string& target, std::string body = {}, std::string type = "application/json") {
    return bench.call(method, target, std::move(body), {{"Authorization", "Bearer " + key}, {"Content-Type", type}});
  }
  void expect_outside(Method method, const std::string& target, const std::string& body = {}) {
    const int before = bench.engine.commands;
    const auto seen = call(method, target, body);
    EXPECT_EQ(seen.reply.status, 403u) << target << seen.reply.body;
    EXPECT_EQ(seen.code(), "not_authorized") << target;
    EXPECT_EQ(bench.engine.commands, before) << target;
  }

  Bench bench{with_keys()};
  Task lab;
  Task prod;
  std::string key;
};

TEST_F(KeyScope, ListsHaveItsDevicesOnly) {
  const auto devices = call(Method::get, "/devices").json["items"];
  ASSERT_EQ(devices.size(), 1u);
  EXPECT_EQ(devices[0]["device_id"], "lab-1");
  EXPECT_EQ(call(Method::get, "/devices?count=true").json["count"], 1);
  EXPECT_EQ(call(Method::get, "/devices?where=id%3Dprod-1").json["items"].size(), 0u);
  const auto tasks = call(Method::get, "/tasks").json["items"];
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0]["device_id"], "lab-1");
}

TEST_F(KeyScope, OneDeviceOrTaskOfOthersIsRefused) {
  for (const auto* suffix : {"", "/explain"}) expect_outside(Method::get, std::string("/devices/prod-1") + suffix);
  expect_outside(Method::post, "/devices/prod-1/token");
  expect_outside(Method::delete_, "/devices/prod-1");
  expect_outside(Method::get, "/devices/unknown");
  for (const auto* suffix : {"", "/log"}) expect_outside(Method::get, "/tasks/" + prod.id.str() + suffix);
  for (const auto* suffix : {"/cancel", "/retry"}) expect_outside(Method::post, "/tasks/" + prod.id.str() + suffix);
  expect_outside(Method::patch, "/tasks/" + prod.id.str(), R"({"priority":"low"})");
  expect_outside(Method::post, "/firmware/upgrade", R"({"device_id":"prod-1","firmware_version":"1.4.0"})");
  expect_outside(Method::post, "/firmware/upgrade", R"({"device_id":"unknown","firmware_version":"1.4.0"})");
  expect_outside(Method::post, "/devices/move", R"({"channel":"beta","devices":["lab-1","prod-1"]})");
}

TEST_F(KeyScope, ItsOwnAreReached) {
  EXPECT_EQ(call(Method::get, "/me").json["scope"], nlohmann::json::array({"tag.site=lab"}));
  EXPECT_EQ(call(Method::get, "/devices/lab-1").reply.status, 200u);
  EXPECT_EQ(call(Method::get, "/tasks/" + lab.id.str()).reply.status, 200u);
  EXPECT_EQ(call(Method::post, "/tasks/" + lab.id.str() + "/cancel").reply.status, 200u);
  EXPECT_NE(call(Method::post, "/firmware/upgrade", R"({"device_id":"lab-1","firmware_version":"1.4.0"})").reply.status,
            403u);
  EXPECT_EQ(call(Method::get, "/tasks/OTA_20200101_000009").reply.status, 404u);
}

TEST_F(KeyScope, NoDeviceLeavesOrEntersItByAChange) {
  expect_outside(Method::put, "/devices/prod-1", R"({"tags":{"site":"lab"}})");
  expect_outside(Method::patch, "/devices/lab-1", R"({"tags":{"site":"prod"}})");
  expect_outside(Method::patch, "/devices/lab-1", R"({"tags":null})");
  expect_outside(Method::put, "/devices/new-1", R"({"hardware":"gw-a"})");
  EXPECT_EQ(call(Method::put, "/devices/new-1", R"({"tags":{"site":"lab"}})").reply.status, 201u);
  EXPECT_NE(call(Method::patch, "/devices/lab-1", R"({"hardware":"gw-b"})").reply.status, 403u);

  const auto tagged = call(Method::post, "/devices/tags", R"({"where":["id~*"],"set":{"site":"prod"}})").json;
  EXPECT_EQ(tagged["matched"], 1);
  EXPECT_EQ(tagged["refused"], 1);
  const auto imported =
      call(Method::post, "/devices/import?skip_bad=true", "id,tag.site\nprod-1,lab\nlab-1,prod\nnew-2,lab\nnew-3,\n", "text/csv");
  EXPECT_EQ(imported.json["refused"], 3) << imported.reply.body;
  EXPECT_EQ(imported.json["new"], 1);
}

TEST_F(KeyScope, ARolloutIsLimitedToIt) {
  call(Method::post, "/rollouts?dry_run=true", R"({"channel":"default","version":"1.4.0","where":["hardware=gw-a"]})");
  ASSERT_TRUE(bench.engine.fleet_control.order);
  EXPECT_THAT(bench.engine.fleet_control.order->spec.where, testing::ElementsAre("hardware=gw-a", "tag.site=lab"));
  expect_outside(Method::post, "/rollouts", R"({"channel":"default","version":"1.4.0","supersede":true})");
}

/// Also of routes that are added later.
TEST_F(KeyScope, RoutesThatReachAllDevicesAreRefused) {
  for (const auto& route : routes()) {
    if (route.scoped != Scoped::refused) continue;
    std::string path(route.pattern);
    while (path.find("{}") != std::string::npos) path.replace(path.find("{}"), 2, "x");
    expect_outside(route.method, path);
  }
  const auto is_refused = [](Method method, const char* path) {
    return match_route(method, path).route->scoped == Scoped::refused;
  };
  for (const auto* path : {"/keys", "/audit"}) EXPECT_TRUE(is_refused(Method::get, path)) << path;
  EXPECT_TRUE(is_refused(Method::post, "/keys"));
  EXPECT_TRUE(is_refused(Method::put, "/channels/x"));
  EXPECT_TRUE(is_refused(Method::patch, "/firmware/1"));
  EXPECT_TRUE(is_refused(Method::post, "/rollouts/x/rollback"));
}

}  // namespace
}  // namespace ota::rest::test
