// API keys over REST: /keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

using http::Method;
using What = engine::KeyChange::What;

TEST(KeyCalls, ANewOneIsShownOnce) {
  Bench bench;
  const auto seen = bench.call(Method::post, "/keys",
                               R"({"name":"field","role":"operator","scope":["tag.site=lab"],"expires_at":"2027-01-01T00:00:00Z"})");
  ASSERT_EQ(seen.reply.status, 201u) << seen.reply.body;
  EXPECT_EQ(seen.header("Location"), "/keys/field");
  const auto& change = bench.engine.key_change.value();
  EXPECT_EQ(change.what, What::add);
  EXPECT_EQ(change.role, Role::operator_);
  EXPECT_EQ(change.scope, std::vector<std::string>{"tag.site=lab"});
  EXPECT_TRUE(change.expires.value().has_value());
  const auto secret = seen.json["key"].get<std::string>();
  EXPECT_THAT(secret, testing::StartsWith("otad_"));
  EXPECT_EQ(firmware::sha256(secret), change.secret.value());
  EXPECT_EQ(seen.json["scope"], nlohmann::json::array({"tag.site=lab"}));
  EXPECT_EQ(bench.get("/keys/field").reply.status, 404u) << "the double keeps none";
}

TEST(KeyCalls, BadInputIsRefusedByName) {
  Bench bench;
  const std::pair<const char*, const char*> cases[] = {
      {R"({"role":"viewer"})", "name"},
      {R"({"name":"a"})", "role"},
      {R"({"name":"a b","role":"viewer"})", "name"},
      {R"({"name":".","role":"viewer"})", "name"},
      {R"({"name":"..","role":"viewer"})", "name"},
      {R"({"name":"engine","role":"viewer"})", "name"},
      {R"({"name":"a","role":"root"})", "role"},
      {R"({"name":"a","role":"viewer","scope":["version=1"]})", "scope"},
      {R"({"name":"a","role":"viewer","scope":"tag.a=b"})", "scope"},
      {R"({"name":"a","role":"viewer","expires_at":"soon"})", "expires_at"},
      {R"({"name":"a","role":"viewer","secret":"x"})", "secret"}};
  for (const auto& [body, field] : cases) {
    const auto seen = bench.call(Method::post, "/keys", body);
    EXPECT_EQ(seen.reply.status, 422u) << body;
    EXPECT_THAT(seen.fields(), testing::Contains(field)) << body;
  }
  EXPECT_EQ(bench.engine.commands, 0);
}

TEST(KeyCalls, RotateChangeAndRemove) {
  Bench bench;
  const auto rotated = bench.call(Method::post, "/keys/field/rotate", R"({"grace_s":3600})");
  ASSERT_EQ(rotated.reply.status, 200u);
  EXPECT_EQ(bench.engine.key_change.value().what, What::rotate);
  EXPECT_EQ(bench.engine.key_change.value().grace, Millis{3'600'000});
  EXPECT_EQ(firmware::sha256(rotated.json["key"].get<std::string>()), bench.engine.key_change.value().secret.value());
  bench.call(Method::post, "/keys/field/rotate");
  EXPECT_EQ(bench.engine.key_change.value().grace, Millis{86'400'000}) << "a day by default";
  EXPECT_EQ(bench.call(Method::post, "/keys/field/rotate", R"({"grace_s":-1})").reply.status, 422u);

  const auto patched = bench.call(Method::patch, "/keys/field", R"({"expires_at":null})");
  ASSERT_EQ(patched.reply.status, 200u);
  EXPECT_EQ(bench.engine.key_change.value().what, What::change);
  EXPECT_EQ(bench.engine.key_change.value().expires.value(), std::nullopt);
  EXPECT_FALSE(bench.engine.key_change.value().secret);
  EXPECT_FALSE(patched.json.contains("key"));

  EXPECT_EQ(bench.call(Method::delete_, "/keys/field").reply.status, 204u);
  EXPECT_EQ(bench.engine.device_id, "field");
}

TEST(KeyCalls, AListWithoutSecrets) {
  Bench bench;
  bench.add_key("vera", Role::viewer, {"tag.site=lab"});
  const auto seen = bench.get("/keys");
  ASSERT_EQ(seen.json["items"].size(), 1u);
  EXPECT_EQ(seen.json["items"][0]["name"], "vera");
  EXPECT_EQ(seen.json["items"][0]["scope"], nlohmann::json::array({"tag.site=lab"}));
  EXPECT_FALSE(seen.json["items"][0].contains("secret"));
  EXPECT_EQ(bench.get("/keys/vera").json, seen.json["items"][0]);
}

TEST(KeyCalls, AnExpiredKeyAndAFormerSecret) {
  Options options;
  options.auth_required = true;
  Bench bench(options);
  ApiKey key;
  key.name = "field";
  key.secret = firmware::sha256("new");
  key.former = ApiKey::Former{firmware::sha256("old"), bench.clock.wall() + Millis{60'000}};
  key.expires = bench.clock.wall() + Millis{120'000};
  bench.write([&] {
    bench.db->api_keys().add(key);
    bench.db->api_keys().update(key);
  });
  const auto status = [&](const std::string& secret) {
    return bench.call(Method::get, "/devices", "", {{"Authorization", "Bearer " + secret}}).reply.status;
  };
  EXPECT_EQ(status("new"), 200u);
  EXPECT_EQ(status("old"), 200u);
  bench.clock.advance(Millis{60'000});
  EXPECT_EQ(status("new"), 200u);
  EXPECT_EQ(status("old"), 401u);
  bench.clock.advance(Millis{60'000});
  EXPECT_EQ(status("new"), 401u);
}

}  // namespace
}  // namespace ota::rest::test
