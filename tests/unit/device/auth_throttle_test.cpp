// How much devices may say, and how often a secret may be wrong.
#include "ota/download/auth_throttle.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "ota/firmware/hash.hpp"
#include "ota/firmware/salted_hash.hpp"
#include "unit/device/doubles.hpp"

namespace ota::device {
namespace {

Credentials with(const std::string& token) {
  Credentials who;
  who.token_digest = firmware::sha256(token);
  return who;
}

TEST(RateLimit, ABurstThenAPace) {
  test::TestClock clock;
  RateLimit limit(clock, 2, 5, 16);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.take(1), 0);
  EXPECT_EQ(limit.wait(1), 1);
  EXPECT_EQ(limit.take(1), 1);
  EXPECT_EQ(limit.take(2), 0) << "another name";
  clock.steady_time += Millis{499};
  EXPECT_EQ(limit.take(1), 1);
  clock.steady_time += Millis{1};
  EXPECT_EQ(limit.take(1), 0);
  EXPECT_EQ(limit.take(1), 1);
  clock.steady_time += Millis{3'600'000};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(limit.take(1), 0) << "rest earns no more than the burst";
  EXPECT_EQ(limit.take(1), 1);
}

TEST(SaltedHash, IsAnothersAtEachStart) {
  firmware::SaltedHash one, two;
  EXPECT_EQ(one("gw-1"), one("gw-1"));
  EXPECT_NE(one("gw-1"), one("gw-2"));
  EXPECT_NE(one("gw-1"), two("gw-1"));
}

class Gate : public testing::Test {
 protected:
  int until_refused(std::string_view name, const Credentials& who) {
    int taken = 0;
    while (taken < 10'000 && !gate.refuse(name, who)) ++taken;
    return taken;
  }
  /// Two names may meet in the tables by chance, one time in thousands, and then count as one. Three others don't all.
  bool others_are_let_through(const Credentials& who) {
    return !gate.refuse("gw-2", who) || !gate.refuse("gw-3", who) || !gate.refuse("gw-4", who);
  }
  void fail_often(std::string_view name, int times) {
    for (int i = 0; i < times; ++i)
      static_cast<void>(gate.record_result(name, with("guess " + std::to_string(i)), false));
  }
  test::TestClock clock;
  download::AuthThrottle gate{clock};
};

TEST_F(Gate, ADeviceMaySaySoMuch) {
  EXPECT_EQ(until_refused("gw-1", {}), download::AuthThrottle::kMessageBurst);
  const auto error = gate.refuse("gw-1", {});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::overloaded);
  EXPECT_EQ(error->retry_after_s, 1);
  EXPECT_TRUE(others_are_let_through({}));
  clock.steady_time += Millis{1'000};
  EXPECT_EQ(until_refused("gw-1", {}), download::AuthThrottle::kMessagesPerSecond);
}

TEST_F(Gate, ReportsOfChunksAreCountedApart) {
  until_refused("gw-1", {});
  int taken = 0;
  while (taken < 10'000 && !gate.refuse("gw-1", {}, true)) ++taken;
  EXPECT_EQ(taken, download::AuthThrottle::kReportBurst);
}

TEST_F(Gate, AStrangersNoiseIsNotTheDevicesOwn) {
  until_refused("gw-1", with("wrong"));
  until_refused("gw-1", {});
  EXPECT_EQ(until_refused("gw-1", with("right")), download::AuthThrottle::kMessageBurst) << "its first message, too";
  Credentials certified;
  certified.certified = true;
  EXPECT_EQ(until_refused("gw-1", certified), download::AuthThrottle::kMessageBurst);
  Credentials via_broker;
  via_broker.protocol = Protocol::mqtt;
  EXPECT_EQ(until_refused("gw-1", via_broker), download::AuthThrottle::kMessageBurst) << "the broker knows who it is";
}

TEST_F(Gate, WrongSecretsAreSlowedDown) {
  fail_often("gw-1", static_cast<int>(download::AuthThrottle::kFailureBurst));
  const auto error = gate.record_result("gw-1", with("next guess"), false);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::overloaded);
  EXPECT_EQ(error->retry_after_s, 2);
  EXPECT_NE(error->message.find("gw-1"), std::string::npos);
  EXPECT_TRUE(gate.record_result("gw-1", {}, false));
  EXPECT_TRUE(!gate.record_result("gw-2", with("guess"), false) || !gate.record_result("gw-3", with("guess"), false) ||
              !gate.record_result("gw-4", with("guess"), false));
  Credentials via_broker;
  via_broker.protocol = Protocol::mqtt;
  EXPECT_FALSE(gate.record_result("gw-1", via_broker, false)) << "strangers over HTTP are counted apart";
  clock.steady_time += Millis{2'000};
  EXPECT_FALSE(gate.record_result("gw-1", with("next guess"), false));
}

TEST_F(Gate, ARightSecretIsNeverKeptOut) {
  fail_often("gw-1", 1000);
  EXPECT_FALSE(gate.refuse("gw-1", with("right")));
  EXPECT_FALSE(gate.record_result("gw-1", with("right"), true));
  EXPECT_FALSE(gate.refuse("gw-1", with("wrong"))) << "nobody compared it yet";
  EXPECT_TRUE(gate.record_result("gw-1", with("wrong"), false));
  Credentials certified;
  certified.certified = true;
  EXPECT_FALSE(gate.refuse("gw-1", certified));
  EXPECT_FALSE(gate.record_result("gw-1", certified, true));
}

TEST_F(Gate, GuessingAtManyNamesIsSlowedDownToo) {
  for (int i = 0; i < download::AuthThrottle::kAllFailureBurst; ++i)
    static_cast<void>(gate.record_result("gw-" + std::to_string(i), with("guess"), false));
  EXPECT_TRUE(gate.record_result("gw-fresh", with("guess"), false));
  EXPECT_TRUE(!gate.record_result("gw-a", {}, false) || !gate.record_result("gw-b", {}, false) ||
              !gate.record_result("gw-c", {}, false))
      << "it guesses nothing";
  EXPECT_FALSE(gate.record_result("gw-right", with("right"), true));
}

TEST_F(Gate, OnlyWhatWasLookedAtIsJudged) {
  const auto answered = [&](Errc code) {
    return gate.record_result("gw-1", with("guess"), std::optional<Answer>(ErrorAnswer{fail(code, ""), {}}));
  };
  for (int i = 0; i < 1000; ++i) {
    EXPECT_FALSE(answered(Errc::overloaded));
    EXPECT_FALSE(answered(Errc::cancelled));
    EXPECT_FALSE(answered(Errc::unknown_task)) << "it is who it says";
  }
  for (int i = 0; i < download::AuthThrottle::kFailureBurst; ++i) EXPECT_FALSE(answered(Errc::not_authorized));
  EXPECT_TRUE(answered(Errc::not_authorized));
}

TEST(GateInFront, OfHttpAndMqtt) {
  test::DeviceWorld world;
  const auto post = [&](const char* token) {
    test::TestRequest request(http::Method::post, "/ota/gw-1/request", {}, fmt::format(R"({{"token":"{}"}})", token));
    return world.handle(request);
  };
  world.engine.answer = ErrorAnswer{fail(Errc::not_authorized, "device gw-1 came with a wrong token"), {}};
  for (int i = 0; i < download::AuthThrottle::kFailureBurst; ++i) EXPECT_EQ(post("wrong").status, 403u);
  const auto slowed = post("wrong");
  EXPECT_EQ(slowed.status, 503u);
  EXPECT_NE(slowed.body.find("\"code\":\"overloaded\""), std::string::npos) << slowed.body;
  EXPECT_NE(slowed.body.find("\"retry_after_s\":2"), std::string::npos) << slowed.body;
  EXPECT_EQ(test::header_of(slowed, "Retry-After"), "2");
  world.engine.answer = UpToDateAnswer{};
  EXPECT_EQ(post("right").status, 200u) << "its secret is compared before anything is held against it";

  world.engine.answer = ErrorAnswer{fail(Errc::not_authorized, "device gw-1 must send its token"), {}};
  for (int i = 0; i < 100; ++i) world.api->on_message("/ota/gw-1/request", "{}");
  ASSERT_EQ(world.published.size(), static_cast<std::size_t>(download::AuthThrottle::kFailureBurst) + 1)
      << "then once a second";
  EXPECT_EQ(world.published.back().topic, "/ota/gw-1/error");
  EXPECT_NE(world.published.back().payload.find("retry_after_s"), std::string::npos);
  EXPECT_EQ(world.api->counters().dropped, 1u + 100u - static_cast<unsigned>(download::AuthThrottle::kFailureBurst));
}

TEST(GateInFront, TellsANewDeviceToComeAgain) {
  test::DeviceWorld world;
  auto busy = fail(Errc::too_many_new, "device gw-1 is new, and more new devices came than 600 a minute");
  busy.retry_after_s = 7;
  world.engine.answer = ErrorAnswer{busy, {}};
  for (int i = 0; i < 100; ++i) world.api->on_message("/ota/gw-1/request", "{}");
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_NE(world.published[0].payload.find("\"retry_after_s\":7"), std::string::npos) << world.published[0].payload;
}

TEST(GateInFront, OfWhatCannotBeRead) {
  test::DeviceWorld world;
  for (int i = 0; i < 5000; ++i) world.api->on_message(i % 2 ? "/ota/gw-1/verify" : "/ota/gw-1/chunk/get", "{");
  EXPECT_LE(world.published.size(), download::AuthThrottle::kMessageBurst + 1);
  EXPECT_EQ(world.api->counters().bad_messages, 5000u);
}

TEST(GateInFront, OfChunksOverMqtt) {
  test::DeviceWorld world;
  for (int i = 0; i < 5000; ++i)
    world.api->on_message("/ota/gw-1/chunk/get", R"({"task_id":"OTA_20261122_000042","chunks":[[0,0]]})");
  EXPECT_EQ(world.api->counters().messages, download::AuthThrottle::kMessageBurst);
}

}  // namespace
}  // namespace ota::device
