// GET /settings.
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using Doc = nlohmann::json;

TEST(SettingCalls, EachHasItsValueAndWhereItComesFrom) {
  Bench bench;
  Settings running;
  running.tasks.max_active = 200;
  running.http.hosts = {"gw.example"};
  running.origins["tasks.max_active"] = {SettingSource::file, "/etc/otad/otad.toml:31"};
  running.origins["http.hosts"] = {SettingSource::environment, "OTAD_HTTP_HOSTS"};
  Settings wanted = running;
  wanted.mqtt.qos = 2;
  bench.settings = std::make_shared<const std::vector<SettingView>>(settings_in_force(running, wanted));
  const auto seen = bench.get("/settings");
  ASSERT_EQ(seen.reply.status, 200u);
  std::map<std::string, Doc> by_key;
  for (const auto& item : seen.json["items"]) by_key[item["key"]] = item;
  auto& active = by_key["tasks.max_active"];
  EXPECT_FALSE(active["description"].get<std::string>().empty());
  active.erase("description");
  EXPECT_EQ(active, Doc::parse(R"({"key": "tasks.max_active", "value": 200, "default": 100, "source": "file",
      "place": "/etc/otad/otad.toml:31", "hidden": false, "live": true, "needs_restart": false, "after_restart": null})"));
  EXPECT_EQ(by_key["http.hosts"]["value"], Doc::array({"gw.example"}));
  EXPECT_EQ(by_key["http.hosts"]["source"], "environment");
  EXPECT_EQ(by_key["mqtt.url"]["source"], "default");
  EXPECT_TRUE(by_key["mqtt.url"]["place"].is_null());
  EXPECT_EQ(by_key["devices.token_required"]["value"], false);
  EXPECT_EQ(by_key["mqtt.qos"]["value"], 1);
  EXPECT_EQ(by_key["mqtt.qos"]["after_restart"], 2);
  EXPECT_TRUE(by_key["mqtt.qos"]["needs_restart"]);
}

TEST(SettingCalls, NamesOfFilesWithSecretsAreNotShown) {
  Bench bench;
  Settings running;
  running.mqtt.password_file = "/etc/otad/hush";
  Settings wanted = running;
  wanted.http.tls_key = "/etc/otad/hush";
  wanted.mqtt.key_file = "/etc/otad/hush";
  wanted.ddi.gateway_token_file = "/etc/otad/hush";
  bench.settings = std::make_shared<const std::vector<SettingView>>(settings_in_force(running, wanted));
  const auto seen = bench.get("/settings");
  EXPECT_EQ(seen.reply.body.find("hush"), std::string::npos);
  int hidden = 0;
  for (const auto& item : seen.json["items"]) {
    if (!item["hidden"].get<bool>()) continue;
    ++hidden;
    EXPECT_TRUE(item["value"].is_null()) << item;
    EXPECT_TRUE(item["after_restart"].is_null()) << item;
  }
  EXPECT_EQ(hidden, 4);
}

TEST(SettingCalls, AreForAdminsAndTakeNoQuery) {
  Bench open;
  EXPECT_EQ(open.get("/settings?key=mqtt.url").fields(), std::vector<std::string>{"key"});
  Bench bench{Options{}};
  const auto secret = bench.add_key("omar", Role::operator_);
  const auto seen = bench.call(http::Method::get, "/settings", "", {{"Authorization", "Bearer " + secret}});
  EXPECT_EQ(seen.reply.status, 403u);
  EXPECT_EQ(seen.code(), "forbidden");
}

}  // namespace
}  // namespace ota::rest::test
