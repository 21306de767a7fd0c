// What the broker doesn't take, what is none of now, and the older version.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

#include "client_device.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::mqtt {
namespace {

using test::Broker;
using test::Device;
using test::eventually;
using test::numbers;
using test::options;
using test::seconds;

TEST(MqttClient, SendsNothingLargerThanTheBrokerTakes) {
  Broker broker("allow_anonymous true\n", "max_packet_size 2000\n");
  Device device(options(broker, "a", {"t"}));
  EXPECT_TRUE(device.client->publish("t", std::string(3000, 'x'), 1)) << "not known yet";
  EXPECT_TRUE(device.client->publish("t", std::string(100, 'y'), 1));
  EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
  ASSERT_EQ(device.dropped().size(), 1u);
  EXPECT_NE(device.dropped()[0].find("t: it has 3000 bytes and the broker accepts at most 19"), std::string::npos)
      << device.dropped()[0];
  EXPECT_TRUE(device.client->publish("t", std::string(device.client->max_payload(1), 'z'), 2));
  EXPECT_TRUE(eventually([&] { return device.count() == 2; }));
  EXPECT_EQ(device.client->status().connects, 1u);
}

TEST(MqttClient, GivesUpWhatBreaksTheConnectionTwiceAndServesTheOthers) {
  // With 3.1.1 the broker can't say what it takes: it hangs up.
  Broker broker("allow_anonymous true\n", "max_packet_size 2000\n");
  auto wanted = options(broker, "a", {"t", "big"});
  wanted.version = Version::v3_1_1;
  Device device(wanted);
  ASSERT_TRUE(device.connected());
  for (const auto& text : numbers(0, 20)) device.client->publish("t", text, 1);
  device.client->publish("big", std::string(3000, 'x'), 1);
  for (const auto& text : numbers(20, 40)) device.client->publish("t", text, 1);
  EXPECT_TRUE(eventually([&] { return device.client->status().outbox == 0; }));
  EXPECT_TRUE(eventually([&] { return !device.heard("t").empty() && device.heard("t").back() == "39"; }));
  ASSERT_EQ(device.dropped().size(), 1u) << testing::PrintToString(device.dropped());
  EXPECT_NE(device.dropped()[0].find("big: the connection to the broker was lost twice"), std::string::npos);
  EXPECT_EQ(device.client->status().dropped, 1u);
  EXPECT_TRUE(device.connected());
  const auto connects = device.client->status().connects;
  EXPECT_LE(connects, 4u) << "one break with all on their way, two with it alone";

  EXPECT_TRUE(device.client->publish("big", "small", 1));
  EXPECT_EQ(device.dropped().size(), 2u) << "nothing goes there for a while";
  device.client->publish("t", "40", 1);
  EXPECT_TRUE(eventually([&] { return device.heard("t").back() == "40"; }));
  EXPECT_EQ(device.client->status().connects, connects);
}

TEST(MqttClient, FindsWhatBreaksTheConnectionAtQos0Too) {
  Broker broker("allow_anonymous true\n", "max_packet_size 2000\n");
  auto wanted = options(broker, "a", {"t"});
  wanted.version = Version::v3_1_1;
  Device device(wanted);
  ASSERT_TRUE(device.connected());
  // The answer to a device that asks until it has one.
  ASSERT_TRUE(eventually([&] {
    if (device.connected()) device.client->publish("big", std::string(3000, 'x'), 0);
    device.client->publish("t", "word", 0);
    return !device.dropped().empty();
  }));
  EXPECT_EQ(device.dropped()[0].find("big: the connection to the broker was lost twice"), 0u) << device.dropped()[0];
  ASSERT_TRUE(device.connected());
  const auto connects = device.client->status().connects;
  EXPECT_LE(connects, 5u) << "at QoS 0, beside others, and alone twice";
  const auto before = device.count();
  device.client->publish("big", std::string(3000, 'x'), 0);
  device.client->publish("t", "word", 0);
  EXPECT_TRUE(eventually([&] { return device.count() > before; }));
  EXPECT_EQ(device.client->status().connects, connects);
}

TEST(MqttClient, RetainedMessagesAreNothingThatIsSaidNow) {
  Broker broker;
  const auto retain = fmt::format("mosquitto_pub -p {} -q 1 -r -t t -m old", broker.port());
  ASSERT_EQ(std::system(retain.c_str()), 0);
  for (const auto version : {Version::v5, Version::v3_1_1}) {
    auto wanted = options(broker, fmt::format("a{}", to_string(version)), {"t"});
    wanted.version = version;
    Device device(wanted);
    ASSERT_TRUE(device.connected());
    EXPECT_EQ(device.client->status().version, version);
    device.client->publish("t", "now", 1);
    EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
    EXPECT_EQ(device.heard("t"), std::vector<std::string>{"now"});
    EXPECT_EQ(device.retained(), std::vector<std::string>{"t"});
    ASSERT_EQ(std::system(retain.c_str()), 0);
    EXPECT_TRUE(eventually([&] { return device.count() == 2; })) << "said now, with the flag";
  }
}

TEST(MqttClient, HearsAndSendsWhileAwayOn311Too) {
  Broker broker;
  Device sender(options(broker, "sender"));
  ASSERT_TRUE(sender.connected());
  auto wanted = options(broker, "away", {"t"});
  wanted.version = Version::v3_1_1;
  { ASSERT_TRUE(Device(wanted).connected()); }
  for (const auto& text : numbers(0, 30)) sender.client->publish("t", text, 1);
  ASSERT_TRUE(eventually([&] { return sender.client->status().outbox == 0; }));
  Device again(wanted);
  EXPECT_TRUE(eventually([&] { return again.count() >= 30; }));
  EXPECT_EQ(again.heard("t"), numbers(0, 30));
}

TEST(MqttClient, WithoutItsSessionHearsNothingThatWasSentBefore) {
  Broker broker;
  Device sender(options(broker, "sender"));
  ASSERT_TRUE(sender.connected());
  for (const auto version : {Version::v5, Version::v3_1_1}) {
    auto wanted = options(broker, fmt::format("away{}", to_string(version)), {"t"});
    wanted.version = version;
    { ASSERT_TRUE(Device(wanted).connected()); }
    sender.client->publish("t", "before", 1);
    ASSERT_TRUE(eventually([&] { return sender.client->status().outbox == 0; }));
    wanted.session_expiry = seconds(0);
    Device again(wanted);
    ASSERT_TRUE(again.connected());
    sender.client->publish("t", "now", 1);
    EXPECT_TRUE(eventually([&] { return again.count() >= 1; }));
    EXPECT_EQ(again.heard("t"), std::vector<std::string>{"now"});
  }
}

TEST(MqttClient, ARefusedSubscriptionIsToldOn311Too) {
  const auto rules = std::filesystem::temp_directory_path() / fmt::format("ota-mqtt-rules3-{}.json", getpid());
  std::ofstream(rules) << R"({"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
    "subscribe": false, "unsubscribe": true}, "anonymousGroup": "all", "clients": [],
    "groups": [{"groupname": "all", "roles": []}], "roles": []})";
  Broker broker(
      "allow_anonymous true\n",
      fmt::format("plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so\nplugin_opt_config_file {}\n",
                  rules.string()));
  auto wanted = options(broker, "a", {"forbidden/t"});
  wanted.version = Version::v3_1_1;
  Device device(wanted);
  EXPECT_TRUE(eventually([&] {
    return device.client->status().detail.find("forbidden/t refused") != std::string::npos;
  })) << device.client->status().detail;
  EXPECT_TRUE(device.connected());
  std::filesystem::remove(rules);
}

TEST(MqttClient, AnExceptionOfAHandlerEndsNothing) {
  Broker broker;
  SystemRandom random;
  std::atomic<int> heard = 0, connected = 0, lost = 0;
  Handlers handlers;
  handlers.on_message = [&](std::string_view, std::string_view payload) {
    if (payload == "bad") throw std::runtime_error("no sense in it");
    if (payload == "worse") throw 7;
    ++heard;
  };
  handlers.on_connected = [&] {
    ++connected;
    throw std::runtime_error("not ready");
  };
  handlers.on_lost = [&] {
    ++lost;
    throw std::bad_alloc();
  };
  auto client = Client::create(options(broker, "a", {"t"}), handlers, random);
  client->start();
  ASSERT_TRUE(eventually([&] { return connected == 1; }));
  for (const auto* text : {"bad", "worse", "good"}) client->publish("t", text, 1);
  EXPECT_TRUE(eventually([&] { return heard == 1; }));
  broker.restart();
  EXPECT_TRUE(eventually([&] { return lost == 1 && connected == 2; }));
  client->publish("t", "good", 1);
  EXPECT_TRUE(eventually([&] { return heard == 2; }));
  client->stop(seconds(2));
}

}  // namespace
}  // namespace ota::mqtt
