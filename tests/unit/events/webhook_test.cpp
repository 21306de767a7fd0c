// The parts of webhooks that need no network.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>

#include "events/address_rules.hpp"
#include "events/webhook_signature.hpp"
#include "events/webhook_target.hpp"
#include "ota/events/webhooks.hpp"
#include "support/fakes.hpp"

namespace ota::events {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

bool public_address(const std::string& text) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  if (::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    EXPECT_EQ(address_text(reinterpret_cast<const sockaddr&>(v4)), text);
    return is_public(reinterpret_cast<const sockaddr&>(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  EXPECT_EQ(::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
  return is_public(reinterpret_cast<const sockaddr&>(v6));
}

TEST(AddressRules, InsideIsNotPublic) {
  for (const auto* text :
       {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.0.1",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "fe80::1", "fec0::1",
        "fc00::1", "fd12:3456::1", "ff02::1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::", "2002:7f00:1::1",
        "2001::1", "2001:db8::1", "2001:2::1", "100::1"})
    EXPECT_FALSE(public_address(text)) << text;
  for (const auto* text : {"1.1.1.1", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.0", "126.0.0.1",
                           "128.0.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "198.17.0.1",
                           "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1",
                           "64:ff9b::101:101", "2002:101:101::1"})
    EXPECT_TRUE(public_address(text)) << text;
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public(other));
}

TEST(WebhookUrl, IsCheckedByItsText) {
  const WebhookRules strict;
  for (const auto* url : {"https://example.com", "https://example.com/hook?key=1", "https://example.com:8443/",
                          "https://1.1.1.1/x", "HTTPS://EXAMPLE.com/", "https://[2606:4700::1111]/"})
    EXPECT_EQ(refuse_webhook_url(url, strict), std::nullopt) << url;
  EXPECT_THAT(refuse_webhook_url("http://example.com/", strict).value(), HasSubstr("allow_http"));
  EXPECT_THAT(refuse_webhook_url("https://10.0.0.1/", strict).value(), HasSubstr("allow_private"));
  EXPECT_THAT(refuse_webhook_url("https://[::1]/", strict).value(), HasSubstr("allow_private"));
  for (const auto* url : {"", "/hook", "ftp://example.com/", "https://u:p@example.com/", "https://example.com/a b",
                          "https://example.com/\n", "https://example.com/#a", "https://example.com:25/",
                          "https://example.com\\@10.0.0.1/"})
    EXPECT_TRUE(refuse_webhook_url(url, strict)) << url;
  const WebhookRules open{true, true};
  for (const auto* url : {"http://example.com/", "http://127.0.0.1:8080/", "https://localhost/", "http://[::1]:8080/"})
    EXPECT_EQ(refuse_webhook_url(url, open), std::nullopt) << url;
  EXPECT_TRUE(refuse_webhook_url("http://127.0.0.1:22/", open)) << "of these ports never";
}

TEST(WebhookSignature, IsThatOfStandardWebhooks) {
  EXPECT_EQ(webhook_signature({"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1'614'265'330,
                              R"({"test": 2432232314})"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookSignature, BothSecretsSignForADay) {
  Webhook webhook;
  webhook.salt = make_webhook_salt();
  EXPECT_NE(webhook.salt, make_webhook_salt());
  const auto secret = webhook_secret("key", webhook.salt);
  EXPECT_EQ(secret.size(), 6u + 44u);
  EXPECT_NE(secret, webhook_secret("other key", webhook.salt));
  const WallTime now{1h};
  EXPECT_EQ(signing_secrets(webhook, "key", now), std::vector{secret});
  webhook.old_salt = make_webhook_salt();
  webhook.old_until = now + 24h;
  EXPECT_EQ(signing_secrets(webhook, "key", now).size(), 2u);
  EXPECT_EQ(signing_secrets(webhook, "key", now + 24h), std::vector{secret});
  EXPECT_THAT(webhook_signature(signing_secrets(webhook, "key", now), "1", 1, "{}"), HasSubstr(" v1,"));
  EXPECT_EQ(webhook_signature({"nothing", "whsec_", "whsec_%"}, "1", 1, "{}"), "");
}

TEST(WebhookWaits, AreThoseOfTheDocument) {
  test::FakeRandom random;
  random.value = 0;
  const std::vector<std::chrono::seconds> waits{5s, 5min, 30min, 2h, 5h, 10h, 14h, 20h, 24h};
  for (std::size_t i = 0; i < waits.size(); ++i)
    EXPECT_EQ(webhook_wait(static_cast<int>(i) + 1, random), waits[i]) << i;
  EXPECT_EQ(webhook_wait(10, random), std::nullopt);
  random.value = 0.5;
  EXPECT_EQ(webhook_wait(1, random), 5'500ms);
}

class WebhookTargetTest : public ::testing::Test {
 protected:
  WebhookTargetTest() { random.value = 0; }
  WebhookPage page(int reading, std::vector<std::int64_t> numbers, std::int64_t last, bool more = false) {
    WebhookPage page;
    page.reading = reading;
    for (const auto number : numbers) page.events.push_back({number, "{}"});
    page.last = last;
    page.more = more;
    return page;
  }
  static Webhook row() {
    Webhook webhook;
    webhook.id = 3;
    webhook.cursor = 10;
    return webhook;
  }
  static WebhookOutcome failure(int status, std::chrono::seconds retry_after = 0s) {
    return {status, "answered " + std::to_string(status), retry_after, {}};
  }
  int ask() {
    target.page_asked(++pages);
    return pages;
  }
  void land(const WebhookOutcome& outcome) { target.landed(outcome, wall, now, random); }

  test::FakeRandom random;
  WallTime wall{1'000h};
  WebhookTarget::Steady::time_point now{std::chrono::hours{100}};
  WebhookTarget target{row(), wall, now};
  int pages = 0;
};

TEST_F(WebhookTargetTest, ReadsAndGoesOnBehindWhatItDelivered) {
  EXPECT_TRUE(target.wants_page(now));
  const auto first = ask();
  EXPECT_FALSE(target.wants_page(now));
  target.take(page(first, {12, 15}, 20), now);
  ASSERT_TRUE(target.due(now));
  EXPECT_EQ(target.due(now)->number, 12);
  EXPECT_FALSE(target.wants_page(now));
  land({200, "", {}, {}});
  EXPECT_EQ(target.row().cursor, 12);
  EXPECT_EQ(target.due(now)->number, 15);
  land({204, "", {}, {}});
  EXPECT_EQ(target.row().cursor, 20) << "those that aren't for it are behind it, too";
  EXPECT_FALSE(target.due(now));
  EXPECT_FALSE(target.wants_page(now + 1h)) << "there was no more";
  target.note_news();
  EXPECT_FALSE(target.wants_page(now)) << "ten times a second at most";
  EXPECT_TRUE(target.wants_page(now + 100ms));
  EXPECT_EQ(target.read_to(), 20);
}

TEST_F(WebhookTargetTest, NewsThatComeWhileItReadsAreReadNext) {
  const auto asked = ask();
  target.note_news();
  target.take(page(asked, {}, 11), now);
  EXPECT_TRUE(target.wants_page(now + 100ms));
}

TEST_F(WebhookTargetTest, ReportsWithinASecondAndFailuresAtOnce) {
  target.take(page(ask(), {12, 13}, 13), now);
  land({200, "", {}, {}});
  EXPECT_FALSE(target.report(now, false));
  EXPECT_LE(target.next(now + 1h), now + 1s);
  const auto report = target.report(now + 1s, false);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->cursor, 12);
  EXPECT_FALSE(target.report(now + 2s, true)) << "the engine knows it";
  land(failure(500));
  const auto failed = target.report(now, false);
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->cursor, 12);
  EXPECT_EQ(failed->failures, 1);
  EXPECT_EQ(failed->last_status, 500);
  EXPECT_EQ(failed->next_at, wall + 5s);
  EXPECT_FALSE(target.due(now + 4s));
  EXPECT_EQ(target.due(now + 5s)->number, 13) << "the same event";
}

TEST_F(WebhookTargetTest, GivesUpAfterTheLastWait) {
  target.take(page(ask(), {12}, 12), now);
  for (int i = 0; i < 9; ++i) {
    land(failure(500));
    EXPECT_TRUE(target.row().enabled);
    EXPECT_FALSE(target.report(now, false)->disable);
    now += 24h;
    EXPECT_TRUE(target.due(now));
  }
  land(failure(503));
  EXPECT_FALSE(target.row().enabled);
  const auto report = target.report(now, false);
  EXPECT_THAT(report->disable.value(), HasSubstr("10 attempts in a row failed, the last one: answered 503"));
  EXPECT_FALSE(report->next_at);
  EXPECT_FALSE(target.due(now + 100h));
  EXPECT_FALSE(target.wants_page(now + 100h));
}

TEST_F(WebhookTargetTest, GoneDisablesAtOnce) {
  target.take(page(ask(), {12}, 12), now);
  land(failure(410));
  EXPECT_FALSE(target.row().enabled);
  EXPECT_THAT(target.report(now, false)->disable.value(), HasSubstr("410"));
}

TEST_F(WebhookTargetTest, RetryAfterMakesTheWaitLongerNotShorter) {
  target.take(page(ask(), {12}, 12), now);
  land(failure(503, 3600s));
  EXPECT_EQ(target.report(now, false)->next_at, wall + 1h);
  now += 1h;
  land(failure(503, 1s));
  EXPECT_EQ(target.report(now, false)->next_at, wall + 5min);
}

TEST_F(WebhookTargetTest, ANewFilterReadsAgainAndANewSecretDoesNot) {
  target.take(page(ask(), {12, 13}, 20), now);
  auto changed = row();
  changed.salt = "new";
  target.adopt(changed);
  EXPECT_EQ(target.row().salt, "new");
  EXPECT_TRUE(target.due(now));
  changed.types = {"task.failed"};
  target.adopt(changed);
  EXPECT_FALSE(target.due(now));
  EXPECT_EQ(target.read_to(), 10);
  EXPECT_TRUE(target.wants_page(now));
  const auto before = ask();
  changed.types = {"task.expired"};
  target.adopt(changed);
  target.take(page(before, {12}, 20), now);
  EXPECT_FALSE(target.due(now)) << "that was read by the filter before";
  EXPECT_TRUE(target.filter().types.contains(EventType::task_expired));
}

TEST_F(WebhookTargetTest, WaitsOnAfterARestart) {
  auto waits = row();
  waits.failures = 3;
  waits.next_at = wall + 2h;
  WebhookTarget again(waits, wall, now);
  again.page_asked(1);
  again.take(page(1, {12}, 12), now);
  EXPECT_FALSE(again.due(now + 1h));
  EXPECT_TRUE(again.due(now + 2h));
}

TEST_F(WebhookTargetTest, ReadsAgainWhereTheDatabaseFailed) {
  WebhookPage failed;
  failed.reading = ask();
  failed.failed = true;
  target.take(failed, now);
  EXPECT_FALSE(target.wants_page(now));
  EXPECT_TRUE(target.wants_page(now + 1s));
}

}  // namespace
}  // namespace ota::events
