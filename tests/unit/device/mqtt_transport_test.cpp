#include <fmt/format.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "ota/base/log.hpp"
#include "ota/download/refusal_log.hpp"
#include "unit/device/doubles.hpp"

namespace ota::device {
namespace {

using nlohmann::json;
using test::DeviceWorld;
using testing::ElementsAre;
using testing::HasSubstr;

using test::kTask;
constexpr std::string_view kVerify =
    R"({"task_id":"OTA_20261122_000042","checksum":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"})";

TEST(MqttTransport, SubscribesToWhatDevicesSay) {
  DeviceWorld world;
  EXPECT_THAT(world.api->subscriptions(),
              ElementsAre("/ota/+/request", "/ota/+/progress", "/ota/+/verify", "/ota/+/chunk/get"));
}

TEST(MqttTransport, HandsEachMessageToTheEngine) {
  DeviceWorld world;
  world.api->on_message("/ota/gw-17/request", R"({"version":"1.4.0","token":"t"})");
  EXPECT_TRUE(world.engine.last_who.token_digest);
  EXPECT_TRUE(world.engine.last_who.via_broker());
  EXPECT_FALSE(world.engine.last_who.certified);
  world.api->on_message("/ota/gw-18/progress", R"({"task_id":"OTA_20261122_000042","chunk":3})");
  world.api->on_message("/ota/gw-19/verify", kVerify);
  ASSERT_EQ(world.engine.received(), 3u);
  EXPECT_EQ(world.engine.requests[0].first, "gw-17");
  EXPECT_EQ(world.engine.requests[0].second.version, "1.4.0");
  EXPECT_EQ(world.engine.reports[0].first, "gw-18");
  EXPECT_EQ(world.engine.verifies[0].first, "gw-19");
  EXPECT_TRUE(world.published.empty()) << "the engine had no answer";
  EXPECT_EQ(world.api->counters().messages, 3u);
}

TEST(MqttTransport, AnswersOnTheTopicOfTheType) {
  DeviceWorld world;
  world.engine.answer = QueuedAnswer{kTask, 1, 30};
  world.api->on_message("/ota/gw-17/request", "");
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "/ota/gw-17/queued");
  EXPECT_EQ(json::parse(world.published[0].payload)["type"], "queued");
}

TEST(MqttTransport, AnswersLaterFromTheEnginesThread) {
  DeviceWorld world;
  world.engine.hold = true;
  world.api->on_message("/ota/gw-17/request", "");
  EXPECT_TRUE(world.published.empty());
  world.engine.held.at(0)(UpToDateAnswer{"1"});
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "/ota/gw-17/up_to_date");
}

TEST(MqttTransport, CriticalAnswersHaveTheirOwnQos) {
  auto options = DeviceWorld::default_options();
  options.qos = 0;
  options.critical_qos = 2;
  DeviceWorld world({}, options);
  const Offer offer{kTask, *DeviceId::parse("d"), "1", "", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  const std::pair<Answer, int> wanted[] = {{offer, 0},
                                           {SuccessAnswer{kTask, "1", {}}, 2},
                                           {RetryAnswer{offer, "stalled", 1}, 2},
                                           {FailedAnswer{kTask, "stalled", 3}, 2},
                                           {QueuedAnswer{kTask, 1, 1}, 0},
                                           {UpToDateAnswer{}, 0},
                                           {CancelAnswer{kTask, CancelReason::cancelled}, 2},
                                           {ErrorAnswer{fail(Errc::unknown_task, "x"), kTask}, 0},
                                           {HoldAnswer{kTask, HoldReason::window, {}, 60}, 0}};
  for (const auto& [answer, qos] : wanted) {
    world.notifier->send("d", answer);
    EXPECT_EQ(world.published.back().qos, qos) << type_of(answer);
    EXPECT_EQ(world.published.back().topic, fmt::format("/ota/d/{}", type_of(answer)));
    world.notifier->push("d", answer);
    EXPECT_EQ(world.published.back().qos, qos);
  }
}

TEST(MqttTransport, MalformedMessagesAreAnsweredAndDoNotReachTheEngine) {
  DeviceWorld world;
  world.api->on_message("/ota/gw-17/progress", R"({"task_id":"OTA_20261122_000042","chunk":"x"})");
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "/ota/gw-17/error");
  const auto error = json::parse(world.published[0].payload);
  EXPECT_EQ(error["code"], "bad_message");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("\"chunk\""));
  EXPECT_EQ(error["task_id"], "OTA_20261122_000042");

  world.api->on_message("/ota/gw-17/verify", "");
  world.api->on_message("/ota/gw-17/request", "not json");
  world.api->on_message("/ota/gw-17/progress", R"({"task_id":"OTA_20261122_000042","chunk":65536})");
  EXPECT_EQ(json::parse(world.published.back().payload)["code"], "bad_chunk_range");
  EXPECT_EQ(world.published.size(), 4u);
  EXPECT_EQ(world.engine.received(), 0u);
  EXPECT_EQ(world.api->counters().bad_messages, 4u);
  EXPECT_EQ(world.api->counters().messages, 0u);
}

TEST(MqttTransport, OversizedOnesAreAnswered) {
  DeviceWorld world;
  world.api->on_oversized("/ota/gw-17/request", 10'000'000);
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_THAT(world.published[0].payload, HasSubstr("10000000 bytes"));
  world.api->on_oversized("/ota/gw-17/weather", 10'000'000);
  EXPECT_EQ(world.published.size(), 1u);
}

TEST(MqttTransport, OddIdsAreCountedAndNotAnswered) {
  DeviceWorld world;
  const std::string odd[] = {"/ota//request",
                             "/ota/gw 17/request",
                             "/ota/g\xc3\xb6/request",
                             "/ota/a\nb/verify",
                             "/ota/" + std::string(129, 'x') + "/request",
                             "/ota/#/progress"};
  for (const auto& topic : odd) world.api->on_message(topic, "{}");
  EXPECT_EQ(world.api->counters().bad_messages, std::size(odd));
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.engine.received(), 0u);
}

TEST(MqttTransport, OtherTopicsArePassedOver) {
  DeviceWorld world;
  for (const auto* topic :
       {"", "/", "/ota", "/ota/", "/ota/gw-17", "/ota/gw-17/", "/ota/gw-17/metadata", "/ota/gw-17/weather",
        "/ota/gw-17/request/", "/ota/a/b/request", "/otap/gw-17/request", "ota/gw-17/request", "/ota/request"})
    world.api->on_message(topic, "{}");
  EXPECT_EQ(world.engine.received(), 0u);
  EXPECT_EQ(world.api->counters().bad_messages, 0u);
  EXPECT_TRUE(world.published.empty());
}

TEST(MqttTransport, TheTopicRootIsASetting) {
  auto options = DeviceWorld::default_options();
  options.topic_root = "fleet/eu";
  DeviceWorld world({}, options);
  EXPECT_EQ(world.api->subscriptions().front(), "fleet/eu/+/request");
  world.engine.answer = UpToDateAnswer{};
  world.api->on_message("fleet/eu/gw-17/request", "");
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "fleet/eu/gw-17/up_to_date");
}

TEST(MqttTransport, AFullEngineIsNotAnswered) {
  DeviceWorld world;
  world.engine.answer = ErrorAnswer{fail(Errc::overloaded, "full"), {}};
  world.api->on_message("/ota/gw-17/request", "");
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.api->counters().dropped, 1u);
  world.engine.answer = ErrorAnswer{fail(Errc::cancelled, "stopping"), {}};
  world.api->on_message("/ota/gw-17/request", "");
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.api->counters().dropped, 1u);
}

TEST(MqttTransport, AFullOutboxIsCounted) {
  DeviceWorld world;
  world.broker_takes = false;
  world.engine.answer = UpToDateAnswer{};
  world.api->on_message("/ota/gw-17/request", "");
  world.notifier->push("gw-17", CancelAnswer{kTask, CancelReason::cancelled});
  EXPECT_EQ(world.api->counters().unsent, 2u);
}

class RefusalLogFile : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(log::configure(log::Level::info, path.string(), log::Format::text)); }
  void TearDown() override {
    EXPECT_TRUE(log::configure(log::Level::info, "", log::Format::text));
    std::filesystem::remove(path);
  }
  std::vector<std::string> lines() const {
    std::ifstream file(path);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) all.push_back(line);
    return all;
  }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("otad-refusals-{}.log", ::getpid());
};

TEST_F(RefusalLogFile, OneLineARefusalNamesAll) {
  test::TestClock clock;
  download::RefusalLog refusals(clock);
  refusals.write("gw-17", kTask, fail(Errc::bad_message, "\"chunk\" is\nwrong"));
  refusals.write("", {}, fail(Errc::server_fault, "the disk"));
  refusals.write("", {}, fail(Errc::not_authorized, "no"), {"10.0.0.7:5123", "/download/" + std::string(300, 'a')});
  const auto all = lines();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[2],
              HasSubstr("refused from=10.0.0.7:5123 path=/download/" + std::string(190, 'a') + " code=not_auth"));
  EXPECT_THAT(all[0], HasSubstr("refused device=gw-17 task=OTA_20261122_000042 code=bad_message: \"chunk\" is"));
  EXPECT_THAT(all[1], HasSubstr("refused code=server_fault: the disk"));
}

TEST_F(RefusalLogFile, ARetainedMessageIsDroppedWithAWarning) {
  DeviceWorld world;
  for (const auto* word : {"request", "progress", "verify", "chunk/get"})
    world.api->on_retained(fmt::format("/ota/gw-17/{}", word));
  world.api->on_retained("/ota/gw-17/weather");
  const auto all = lines();
  ASSERT_EQ(all.size(), 4u);
  for (const auto& line : all) {
    EXPECT_THAT(line, HasSubstr("warn"));
    EXPECT_THAT(line, HasSubstr("device=gw-17"));
    EXPECT_THAT(line, HasSubstr("retained"));
  }
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.engine.received(), 0u);
  EXPECT_EQ(world.api->counters().bad_messages, 4u);
}

TEST_F(RefusalLogFile, WhatTheBrokerDoesNotTakeIsNamed) {
  DeviceWorld world;
  world.api->on_dropped("/ota/gw-17/metadata", R"({"type":"metadata","task_id":"OTA_20261122_000042","version":"1"})",
                        "the broker refused it");
  world.api->on_dropped("/ota/gw-20/chunk/OTA_20261122_000042/7", "", "forbidden");
  world.api->on_dropped("/ota/gw-18/up_to_date", R"({"type":"up_to_date"})", "too large");
  for (const auto* topic : {"", "/ota", "/ota/", "/ota/gw-19", "elsewhere"}) world.api->on_dropped(topic, "", "odd");
  const auto all = lines();
  ASSERT_EQ(all.size(), 8u);
  EXPECT_THAT(all[0], HasSubstr("not sent device=gw-17 task=OTA_20261122_000042: metadata: the broker refused it"));
  EXPECT_THAT(all[1], HasSubstr("not sent device=gw-20 task=OTA_20261122_000042: chunk/OTA_20261122_000042/7: forbid"));
  EXPECT_THAT(all[2], HasSubstr("not sent device=gw-18: up_to_date: too large"));
}

TEST_F(RefusalLogFile, AnOfferThatCannotFitIsNamedAndAnsweredWithAnError) {
  DeviceWorld world;
  const Offer offer{kTask, *DeviceId::parse("gw-17"), "1", "", Priority::normal, 1, 3, {}, {10, 5}, {}, {}, {}};
  world.broker_room = 300;
  world.notifier->push("gw-17", offer);
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "/ota/gw-17/error");
  EXPECT_LE(world.published[0].payload.size(), 300u);
  EXPECT_EQ(json::parse(world.published[0].payload)["task_id"], kTask.str());
  EXPECT_THAT(lines().at(0), HasSubstr("not sent device=gw-17 task=OTA_20261122_000042: metadata: "));

  world.broker_room = 0;  // not connected yet
  world.notifier->push("gw-17", offer);
  EXPECT_EQ(world.published.back().topic, "/ota/gw-17/metadata");
  world.broker_room = world.published.back().payload.size() - 1;
  world.notifier->push("gw-17", offer);
  EXPECT_EQ(world.published.back().topic, "/ota/gw-17/metadata");
  EXPECT_LE(world.published.back().payload.size(), world.broker_room);

  auto bounded = offer;
  bounded.max_message_bytes = kMinMessageBytes;
  world.broker_room = 0;
  world.notifier->send("gw-17", bounded);
  EXPECT_EQ(world.published.back().topic, "/ota/gw-17/error");
  EXPECT_LE(world.published.back().payload.size(), kMinMessageBytes);
}

TEST_F(RefusalLogFile, DebugNamesEachMessageWithoutItsContent) {
  ASSERT_TRUE(log::configure(log::Level::debug, path.string(), log::Format::text));
  DeviceWorld world;
  world.engine.answer = UpToDateAnswer{"1"};
  world.api->on_message("/ota/gw-17/request", R"({"token":"secret-secret-secret"})");
  ASSERT_TRUE(log::configure(log::Level::info, path.string(), log::Format::text));  // flushes
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THAT(all[0], HasSubstr("debug received device=gw-17 over mqtt: /ota/gw-17/request, 32 bytes"));
  EXPECT_THAT(all[1], HasSubstr("debug sent device=gw-17 over mqtt: /ota/gw-17/up_to_date, 35 bytes"));
}

TEST_F(RefusalLogFile, AnIgnoredHeaderIsNamedOnceAnHourForEachPeer) {
  test::TestClock clock;
  download::RefusalLog refusals(clock);
  for (int i = 0; i < 10; ++i) {
    refusals.write_ignored("X-Controller-Id", {"10.0.0.7:" + std::to_string(4000 + i), "/a"});
    refusals.write_ignored("X-Forwarded-Host", {"[fd00::1]:4000", "/b"});
  }
  ASSERT_EQ(lines().size(), 2u);
  EXPECT_THAT(lines()[0], testing::HasSubstr("ignored from=10.0.0.7 path=/a: the header X-Controller-Id counts from"));
  clock.steady_time += std::chrono::minutes{59};
  refusals.write_ignored("X-Controller-Id", {"10.0.0.7:1", "/a"});
  EXPECT_EQ(lines().size(), 2u);
  clock.steady_time += std::chrono::minutes{2};
  refusals.write_ignored("X-Controller-Id", {"10.0.0.7:1", "/a"});
  EXPECT_EQ(lines().size(), 3u);
}

TEST_F(RefusalLogFile, AFloodCannotFillItNorHideAnothersLine) {
  test::TestClock clock;
  download::RefusalLog refusals(clock);
  const auto refuse = [&](const std::string& name) { refusals.write(name, {}, fail(Errc::bad_message, "x")); };
  for (int i = 0; i < 1000; ++i) refuse("gw-17");
  EXPECT_EQ(lines().size(), static_cast<std::size_t>(download::RefusalLog::kLinesOfDevice));
  refuse("gw-18");
  EXPECT_THAT(lines().back(), HasSubstr("device=gw-18"));
  for (int i = 0; i < 1000; ++i) refuse("fleet-" + std::to_string(i));
  EXPECT_EQ(lines().size(), static_cast<std::size_t>(download::RefusalLog::kLines));
  clock.steady_time += std::chrono::minutes{1};
  refuse("gw-17");
  const auto all = lines();
  ASSERT_EQ(all.size(), download::RefusalLog::kLines + 2u);
  EXPECT_THAT(all[all.size() - 2], HasSubstr("warn  1801 more refusals in 1 s were not logged, most of gw-17"));
  EXPECT_THAT(all.back(), HasSubstr("refused device=gw-17"));
}

TEST_F(RefusalLogFile, AFloodThatGoesOnCostsFewLines) {
  test::TestClock clock;
  download::RefusalLog refusals(clock);
  const auto flood = [&](int seconds) {
    const auto before = lines().size();
    for (int i = 0; i < seconds * 100; ++i) {
      clock.steady_time += std::chrono::milliseconds{10};
      refusals.write(i % 3 == 0 ? "gw-17" : "fleet-" + std::to_string(i), {}, fail(Errc::bad_message, "x"));
      refusals.write("", {}, fail(Errc::not_authorized, "x"), {"10.0.0.7:" + std::to_string(1000 + i % 60000), "/a"});
    }
    return lines().size() - before;
  };
  flood(60);
  EXPECT_LE(flood(600), 60u + 10u) << "one in ten seconds, and the summaries";
  std::vector<std::string> summaries;
  for (auto& line : lines())
    if (line.find("more refusals") != std::string::npos) summaries.push_back(std::move(line));
  EXPECT_THAT(summaries.at(0), HasSubstr(" in 1 s "));
  EXPECT_THAT(summaries.at(1), HasSubstr(" in 10 s "));
  for (std::size_t i = 2; i < summaries.size(); ++i) EXPECT_THAT(summaries[i], HasSubstr(" in 60 s "));
  EXPECT_THAT(summaries.back(), testing::AllOf(HasSubstr(", most of 10.0.0.7, gw-17"), HasSubstr("199")));

  clock.steady_time += std::chrono::hours{1};  // quiet: all is as at first
  EXPECT_GT(flood(5), 100u);
  EXPECT_THAT(lines(), testing::Contains(HasSubstr(" in 1 s were")).Times(2));
}

}  // namespace
}  // namespace ota::device
