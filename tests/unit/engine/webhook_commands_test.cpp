// Webhooks as the engine keeps them.
#include <gmock/gmock.h>

#include "engine/webhook_commands.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

using testing::HasSubstr;

class WebhookCommandsTest : public TaskServiceTest {
 protected:
  template <class T, class Call>
  Result<T> done(Call call) {
    std::optional<Result<T>> result;
    call([&](Result<T> answer) { result = std::move(answer); });
    unit([](auto&) {});
    return std::move(result.value());
  }
  Result<Webhook> create(const std::string& url = "https://example.com/hook?key=topsecret") {
    return done<Webhook>([&](auto then) {
      control().create({url, {"task.*"}, "stable", "salt 1"}, {"anna", "10.0.0.7:1"}, std::move(then));
    });
  }
  WebhookCommands control() { return WebhookCommands(*loop); }
  Webhook row(std::int64_t id) { return db->webhooks().find(id).value(); }
  void report(WebhookReport report) {
    control().report(std::move(report));
    unit([](auto&) {});
  }
};

TEST_F(WebhookCommandsTest, BeginsWithWhatComes) {
  request("gw-1");
  const auto newest = db->event_log().newest();
  const auto made = create().value();
  EXPECT_EQ(made.cursor, newest);
  EXPECT_EQ(made.created_by, "anna");
  EXPECT_EQ(row(made.id).salt, "salt 1");
  const auto audit = db->audit_log().list({}, 0, 1).front();
  EXPECT_EQ(audit.action, "webhook.add");
  EXPECT_EQ(audit.target, "https://example.com") << "its path may be a secret";
}

TEST_F(WebhookCommandsTest, ThereAreSoMany) {
  for (std::size_t i = 0; i < kMaxWebhooks; ++i) ASSERT_TRUE(create());
  EXPECT_EQ(create().error().code, Errc::in_use);
}

TEST_F(WebhookCommandsTest, OrdersMakeEarlierReportsVoid) {
  const auto id = create()->id;
  WebhookReport news{id, 0, 40, 2, clock.wall() + 5min, clock.wall(), 500, "answered 500", {}};
  report(news);
  EXPECT_EQ(row(id).cursor, 40);
  EXPECT_EQ(row(id).failures, 2);
  EXPECT_EQ(row(id).failing_since, clock.wall());
  const auto rotated =
      done<Webhook>([&](auto then) { control().rotate(id, "salt 2", "bob", std::move(then)); }).value();
  EXPECT_EQ(rotated.old_salt, "salt 1");
  EXPECT_EQ(rotated.old_until, clock.wall() + kOldSecretSigns);
  EXPECT_EQ(rotated.failures, 2) << "it waits on";
  news.cursor = 45;
  report(news);
  EXPECT_EQ(row(id).cursor, 45) << "a new secret moves nothing";
  const auto moved = done<Webhook>([&](auto then) { control().replay(id, 0, "bob", std::move(then)); }).value();
  report(news);
  EXPECT_EQ(row(id).cursor, 0);
  news.cursor = 50;
  news.revision = moved.revision;
  news.failures = 0;
  report(news);
  EXPECT_EQ(row(id).cursor, 50);
  EXPECT_FALSE(row(id).failing_since);
  news.id = 99;
  report(news);
}

TEST_F(WebhookCommandsTest, DisabledOnesAreSaidAndResumed) {
  const auto id = create()->id;
  WebhookReport gone{id, 0, 0, 10, {}, clock.wall(), 410, "answered 410", "the receiver answered 410 (Gone)"};
  report(gone);
  EXPECT_FALSE(row(id).enabled);
  const auto last = db->event_log().list({}, 0, 100).events.back();
  EXPECT_EQ(last.type, EventType::server_degraded);
  EXPECT_THAT(last.data, HasSubstr(R"("component":"webhook")"));
  EXPECT_THAT(last.data, testing::Not(HasSubstr("topsecret")));
  WebhookChange change;
  change.id = id;
  change.enabled = true;
  const auto resumed = done<Webhook>([&](auto then) { control().change(change, "bob", std::move(then)); }).value();
  EXPECT_TRUE(resumed.enabled);
  EXPECT_EQ(resumed.failures, 0);
  EXPECT_EQ(resumed.disabled_reason, "");
  EXPECT_GT(resumed.revision, 0);
}

TEST_F(WebhookCommandsTest, ReplayGoesToAnyPlaceThatThereIs) {
  request("gw-1");
  const auto id = create()->id;
  const auto newest = db->event_log().newest();
  EXPECT_EQ(done<Webhook>([&](auto then) { control().replay(id, 0, "bob", std::move(then)); })->cursor, 0);
  const auto refused = done<Webhook>([&](auto then) { control().replay(id, newest + 1, "bob", std::move(then)); });
  EXPECT_EQ(refused.error().code, Errc::malformed);
  EXPECT_EQ(refused.error().fields.front().field, "since");
  EXPECT_EQ(row(id).cursor, 0);
}

TEST_F(WebhookCommandsTest, UnknownOnesAreNotFound) {
  WebhookChange change;
  change.id = 9;
  EXPECT_EQ(done<Webhook>([&](auto then) { control().change(change, "bob", std::move(then)); }).error().code,
            Errc::not_found);
  EXPECT_EQ(done<void>([&](auto then) { control().remove(9, "bob", std::move(then)); }).error().code, Errc::not_found);
  EXPECT_EQ(done<Webhook>([&](auto then) { control().rotate(9, "x", "bob", std::move(then)); }).error().code,
            Errc::not_found);
  EXPECT_EQ(done<Webhook>([&](auto then) { control().replay(9, 0, "bob", std::move(then)); }).error().code,
            Errc::not_found);
}

}  // namespace
}  // namespace ota::engine
