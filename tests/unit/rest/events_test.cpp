// GET /events and /webhooks.
#include <gtest/gtest.h>

#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

class EventCalls : public ::testing::Test {
 protected:
  void add(EventType type, const std::string& channel = "stable", const std::string& device = {}) {
    Event event;
    event.time = bench.clock.wall();
    event.type = type;
    event.subject = "subject";
    event.channel = channel;
    event.device = device;
    bench.write([&] { bench.db->event_log().add(event); });
  }
  Seen live(const std::string& target, std::map<std::string, std::string> headers = {}) {
    headers["Accept"] = "text/event-stream";
    return bench.call(http::Method::get, target, {}, std::move(headers));
  }
  Bench bench;
};

TEST_F(EventCalls, APageOfCloudEvents) {
  add(EventType::rollout_halted);
  add(EventType::task_failed, "beta", "gw-1");
  const auto all = bench.get("/events");
  ASSERT_EQ(all.reply.status, 200u);
  ASSERT_EQ(all.json["items"].size(), 2u);
  EXPECT_EQ(all.json["items"][0]["type"], "otad.rollout.halted");
  EXPECT_EQ(all.json["items"][0]["source"], "/otad/test");
  EXPECT_EQ(all.json["items"][1]["data"]["device_id"], "gw-1");
  EXPECT_EQ(all.json["next"], 2);
  EXPECT_EQ(all.json["oldest"], 1);
  EXPECT_EQ(all.json["newest"], 2);
  EXPECT_EQ(bench.get("/events?since=1").json["items"].size(), 1u);
  EXPECT_EQ(bench.get("/events?since=2").json["items"].size(), 0u);
  EXPECT_EQ(bench.get("/events?limit=1").json["next"], 1);
  EXPECT_EQ(bench.get("/events?types=task.*,server.started").json["items"].size(), 1u);
  EXPECT_EQ(bench.get("/events?channel=stable").json["items"].size(), 1u);
  EXPECT_EQ(bench.get("/events?device_id=gw-1").json["items"].size(), 1u);
}

TEST_F(EventCalls, WrongParametersAreNamed) {
  using Fields = std::vector<std::string>;
  EXPECT_EQ(bench.get("/events?since=-1&limit=0").fields(), (Fields{"since", "limit"}));
  EXPECT_EQ(bench.get("/events?since=1").fields(), (Fields{"since"})) << "there is none as new as that";
  EXPECT_EQ(bench.get("/events?types=task.fail&channel=A").fields(), (Fields{"types", "channel"}));
  EXPECT_EQ(bench.get("/events?device_id=.").fields(), (Fields{"device_id"}));
  EXPECT_EQ(live("/events?limit=5").fields(), (Fields{"limit"}));
  EXPECT_EQ(live("/events", {{"Last-Event-ID", "x"}}).fields(), (Fields{"Last-Event-ID"}));
  EXPECT_EQ(live("/events?since=x", {{"Last-Event-ID", "1"}}).reply.status, 200u) << "the header goes before it";
}

TEST_F(EventCalls, LiveIsAStream) {
  const auto seen = live("/events?types=task.*");
  EXPECT_EQ(seen.reply.status, 200u);
  EXPECT_EQ(seen.reply.content_type, "text/event-stream");
  EXPECT_TRUE(seen.reply.stream);
  EXPECT_EQ(seen.header("Cache-Control"), "no-store");
  EXPECT_FALSE(bench.get("/events").reply.stream);
}

class WebhookCalls : public EventCalls {
 protected:
  ScriptedWebhooks& control = bench.engine.webhook_control;
  Seen post(const std::string& target, const nlohmann::json& body) {
    return bench.call(http::Method::post, target, body.dump(), {{"Content-Type", "application/json"}});
  }
  std::int64_t add_row() {
    Webhook webhook;
    webhook.url = "https://example.com/hook";
    webhook.salt = "secret";
    webhook.types = {"task.*"};
    webhook.created_by = "anna";
    bench.write([&] { bench.db->webhooks().insert(webhook); });
    return webhook.id;
  }
};

TEST_F(WebhookCalls, CreatingShowsTheSecretOnce) {
  const auto made = post("/webhooks", {{"url", "https://example.com/hook"}, {"types", {"rollout.*"}}});
  ASSERT_EQ(made.reply.status, 201u) << made.reply.body;
  EXPECT_EQ(made.header("Location"), "/webhooks/7");
  EXPECT_EQ(made.json["secret"].get<std::string>().substr(0, 6), "whsec_");
  EXPECT_EQ(made.json["secret"], "whsec_" + control.order->salt);
  EXPECT_EQ(control.order->types, std::vector<std::string>{"rollout.*"});
  EXPECT_EQ(bench.webhooks.refreshed, 1);
  const auto id = add_row();
  EXPECT_EQ(bench.get("/webhooks/" + std::to_string(id)).json["url"], "https://example.com/hook");
  EXPECT_FALSE(bench.get("/webhooks/" + std::to_string(id)).json.contains("secret"));
  EXPECT_EQ(bench.get("/webhooks").json["items"].size(), 1u);
  EXPECT_EQ(bench.get("/webhooks").reply.body.find("whsec"), std::string::npos);
}

TEST_F(WebhookCalls, WrongFieldsAreNamed) {
  using Fields = std::vector<std::string>;
  EXPECT_EQ(post("/webhooks", nlohmann::json::object()).fields(), (Fields{"url"}));
  EXPECT_EQ(post("/webhooks", {{"url", "http://example.com"}}).fields(), (Fields{"url"}));
  EXPECT_EQ(post("/webhooks", {{"url", "https://10.0.0.1"}}).fields(), (Fields{"url"}));
  EXPECT_EQ(post("/webhooks", {{"url", "https://example.com"}, {"types", {"x.*"}}, {"channel", "A"}}).fields(),
            (Fields{"types", "channel"}));
  EXPECT_EQ(post("/webhooks/1/replay", {{"since", -1}}).fields(), (Fields{"since"}));
  EXPECT_EQ(post("/webhooks/1/replay", nlohmann::json::object()).fields(), (Fields{"since"}));
  EXPECT_EQ(bench.get("/webhooks/x").reply.status, 404u);
  EXPECT_EQ(bench.get("/webhooks/9").reply.status, 404u);
  EXPECT_TRUE(control.came.empty());
  EXPECT_EQ(bench.webhooks.refreshed, 0);
}

TEST_F(WebhookCalls, OrdersReachTheEngineAndTheSender) {
  const std::map<std::string, std::string> json{{"Content-Type", "application/json"}};
  control.row.id = 5;
  const auto patched = bench.call(http::Method::patch, "/webhooks/5", R"({"enabled":true,"channel":null})", json);
  EXPECT_EQ(patched.reply.status, 200u);
  EXPECT_EQ(control.changed->enabled, true);
  EXPECT_EQ(control.changed->channel, "");
  EXPECT_FALSE(control.changed->url);
  EXPECT_EQ(post("/webhooks/5/replay", {{"since", 40}}).reply.status, 200u);
  EXPECT_FALSE(post("/webhooks/5/replay", {{"since", 40}}).json.contains("secret"));
  const auto rotated = bench.call(http::Method::post, "/webhooks/5/rotate").json["secret"].get<std::string>();
  EXPECT_EQ(rotated.substr(0, 6), "whsec_");
  EXPECT_EQ(bench.call(http::Method::delete_, "/webhooks/5").reply.status, 204u);
  EXPECT_EQ(control.came, (std::vector<std::string>{"change 5", "replay 5 40", "replay 5 40", "rotate 5", "remove 5"}));
  EXPECT_EQ(bench.webhooks.refreshed, 5);
  control.trouble = fail(Errc::in_use, "there are 100 webhooks already: remove one first");
  EXPECT_EQ(post("/webhooks", {{"url", "https://example.com"}}).reply.status, 409u);
}

TEST_F(WebhookCalls, ATestSaysHowItWent) {
  const auto path = "/webhooks/" + std::to_string(add_row()) + "/test";
  bench.webhooks.outcome = events::WebhookOutcome{204, "", {}, std::chrono::milliseconds{12}};
  auto tested = bench.call(http::Method::post, path);
  EXPECT_EQ(tested.json, (nlohmann::json{{"delivered", true}, {"status", 204}, {"error", nullptr}, {"ms", 12}}));
  EXPECT_EQ(bench.webhooks.tested->salt, "secret");
  bench.webhooks.outcome = events::WebhookOutcome{0, "could not resolve", {}, {}};
  tested = bench.call(http::Method::post, path);
  EXPECT_EQ(tested.json["delivered"], false);
  EXPECT_EQ(tested.json["status"], nullptr);
  EXPECT_EQ(tested.json["error"], "could not resolve");
}

}  // namespace
}  // namespace ota::rest::test
