#include "ota/mqtt/client.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <atomic>
#include <fstream>

#include "client_device.hpp"
#include "ota/base/log.hpp"

namespace ota::mqtt {
namespace {

using std::chrono::milliseconds;
using test::Broker;
using test::Device;
using test::eventually;
using test::numbers;
using test::options;
using test::seconds;

TEST(MqttClient, CarriesMessagesAtEachQosInOrder) {
  Broker broker;
  Device device(options(broker, "a", {"t/+"}, 2));
  ASSERT_TRUE(device.connected());
  for (int qos : {0, 1, 2}) {
    auto topic = fmt::format("t/{}", qos);
    for (const auto& text : numbers(0, 2000)) ASSERT_TRUE(device.client->publish(topic, text, qos));
    EXPECT_TRUE(eventually([&] { return device.heard(topic).size() >= 2000; }));
    EXPECT_EQ(device.heard(topic), numbers(0, 2000)) << "at QoS " << qos;
  }
  EXPECT_TRUE(eventually([&] { return device.client->status().outbox == 0; }));
  auto status = device.client->status();
  EXPECT_EQ(status.published, 6000u);
  EXPECT_EQ(status.received, 6000u);
  EXPECT_EQ(status.connects, 1u);
  EXPECT_EQ(status.detail, "");
}

TEST(MqttClient, HearsWhatWasSentWhileItWasAway) {
  Broker broker;
  Device sender(options(broker, "sender"));
  ASSERT_TRUE(sender.connected());
  auto wanted = options(broker, "away", {"t"});
  {
    Device first(wanted);
    ASSERT_TRUE(first.connected());
    sender.client->publish("t", "before", 1);
    ASSERT_TRUE(eventually([&] { return first.count() == 1; }));
  }
  for (const auto& text : numbers(0, 300)) sender.client->publish("t", text, 1);
  ASSERT_TRUE(eventually([&] { return sender.client->status().outbox == 0; }));
  Device again(wanted);
  EXPECT_TRUE(eventually([&] { return again.count() >= 300; }));
  EXPECT_EQ(again.heard("t"), numbers(0, 300));
}

TEST(MqttClient, SendsAfterAnOutageWhatWasPublishedInIt) {
  Broker broker;
  Device device(options(broker, "a", {"t"}));
  ASSERT_TRUE(device.connected());
  broker.kill();
  ASSERT_TRUE(eventually([&] { return !device.client->status().connected; }));
  for (const auto& text : numbers(0, 500)) ASSERT_TRUE(device.client->publish("t", text, 1));
  EXPECT_EQ(device.client->status().outbox, 500u);
  broker.restart();
  EXPECT_TRUE(eventually([&] { return device.count() >= 500; }));
  EXPECT_EQ(device.heard("t"), numbers(0, 500));
  EXPECT_EQ(device.client->status().connects, 2u);
}

// Paho frees a message whose write fails and sends it again on the next connection; this must not reach us.
TEST(MqttClient, LosesNothingAndKeepsOrderWhenTheBrokerDiesUnderLoad) {
  Broker broker;
  for (int qos : {1, 2}) {
    Device device(options(broker, fmt::format("a{}", qos), {"t"}, 2));
    ASSERT_TRUE(device.connected());
    int next = 0;
    for (int round = 0; round < 2; ++round) {
      std::size_t before = device.count();
      for (int i = 0; i < 5000; ++i) {
        ASSERT_TRUE(device.client->publish("t", std::to_string(next++), qos));
      }
      ASSERT_TRUE(eventually([&] { return device.count() > before + 500; }));
      round % 2 == 0 ? broker.kill() : broker.terminate();
      broker.restart();
      ASSERT_TRUE(eventually([&] { return device.client->status().outbox == 0; }));
      ASSERT_TRUE(eventually(
          [&] { return !device.heard("t").empty() && device.heard("t").back() == std::to_string(next - 1); }));
    }
    // A broker that was killed takes with it what it had acknowledged and not yet sent on; order must hold all the
    // same.
    int last = -1;
    int went_back = 0;
    for (const auto& text : device.heard("t")) {
      int number = std::stoi(text);
      if (number <= last) ++went_back;
      last = number;
    }
    EXPECT_LE(went_back, 2) << "only what was in flight at each break may come twice";
    EXPECT_EQ(device.client->status().published, 10'000u);
  }
}

TEST(MqttClient, StartsWithoutABrokerAndSaysWhy) {
  Options lonely;
  lonely.url = fmt::format("tcp://127.0.0.1:{}", ota::test::free_port());
  Device device(lonely);
  ASSERT_TRUE(eventually([&] { return device.client->status().detail.find("refused") != std::string::npos; }));
  EXPECT_NE(device.client->status().detail.find("no broker listens there"), std::string::npos);
  EXPECT_FALSE(device.client->status().connected);
  EXPECT_TRUE(device.client->publish("t", "kept", 1));
}

TEST(MqttClient, RefusesBeyondItsBounds) {
  Options lonely;
  lonely.url = fmt::format("tcp://127.0.0.1:{}", ota::test::free_port());
  lonely.max_outbox_messages = 3;
  lonely.max_outbox_bytes = 100;
  Device device(lonely);
  EXPECT_FALSE(device.client->publish("t", std::string(100, 'x'), 1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(device.client->publish("t", "x", 1));
  EXPECT_FALSE(device.client->publish("t", "x", 1));
  EXPECT_EQ(device.client->status().refused, 2u);
  EXPECT_EQ(device.client->status().outbox, 3u);
}

TEST(MqttClient, GivesOversizedPayloadsToTheirOwnHandler) {
  Broker broker;
  auto wanted = options(broker, "a", {"t"});
  wanted.max_payload_bytes = 1000;
  Device device(wanted);
  ASSERT_TRUE(device.connected());
  device.client->publish("t", std::string(10u << 20, 'x'), 1);
  EXPECT_TRUE(eventually([&] { return device.oversized() == 10u << 20; }));
  device.client->publish("t", std::string(1000, 'x'), 1);
  EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
}

TEST(MqttClient, TellsAboutAWrongPasswordAndGoesOnAfterARefusedMessage) {
  auto dir = std::filesystem::temp_directory_path() / fmt::format("ota-mqtt-auth-{}", getpid());
  std::filesystem::create_directories(dir);
  auto users = (dir / "users").string(), access = (dir / "access").string();
  ASSERT_EQ(std::system(fmt::format("mosquitto_passwd -b -c {} gw right", users).c_str()), 0);
  std::filesystem::permissions(users, std::filesystem::perms::others_read, std::filesystem::perm_options::add);
  std::ofstream(access) << "user gw\ntopic readwrite allowed/#\n";
  // Without a bound Mosquitto 2.0.11 ends the connection after each refusal.
  Broker broker("allow_anonymous false\n",
                fmt::format("max_queued_messages 1000\npassword_file {}\nacl_file {}\n", users, access));

  auto wanted = options(broker, "a", {"allowed/t"});
  wanted.username = "gw";
  wanted.password = "wrong-secret";
  {
    Device device(wanted);
    ASSERT_TRUE(eventually([&] { return device.client->status().detail.find("user 'gw'") != std::string::npos; }));
    auto detail = device.client->status().detail;
    EXPECT_NE(detail.find("not authorised"), std::string::npos) << detail;
    EXPECT_NE(detail.find("password file"), std::string::npos) << detail;
    EXPECT_EQ(detail.find("wrong-secret"), std::string::npos);
    EXPECT_FALSE(device.client->status().connected);
  }
  wanted.password = "right";
  Device device(wanted);
  ASSERT_TRUE(device.connected());
  device.client->publish("forbidden/t", "x", 1);
  device.client->publish("forbidden/u", "x", 2);
  device.client->publish("allowed/t", "y", 1);
  EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
  EXPECT_TRUE(eventually([&] { return device.client->status().outbox == 0; }));
  EXPECT_EQ(device.client->status().published, 1u);
  EXPECT_EQ(device.client->status().dropped, 2u);
  ASSERT_EQ(device.dropped().size(), 2u);
  EXPECT_EQ(device.dropped()[0],
            "forbidden/t: the broker refused it (not authorised): check its access list and limits");
  EXPECT_EQ(device.client->status().connects, 1u);
  std::filesystem::remove_all(dir);
}

TEST(MqttClient, TellsWhichSubscriptionIsRefused) {
  // Mosquitto's acl_file never refuses a subscription; its plugin does.
  auto rules = std::filesystem::temp_directory_path() / fmt::format("ota-mqtt-rules-{}.json", getpid());
  std::ofstream(rules) << R"({"defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
    "subscribe": false, "unsubscribe": true}, "anonymousGroup": "all", "clients": [],
    "groups": [{"groupname": "all", "roles": [{"rolename": "reader"}]}],
    "roles": [{"rolename": "reader", "acls": [{"acltype": "subscribePattern", "topic": "allowed/#", "allow": true}]}]})";
  Broker broker(
      "allow_anonymous true\n",
      fmt::format("plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so\nplugin_opt_config_file {}\n",
                  rules.string()));
  Device device(options(broker, "a", {"forbidden/t", "allowed/t"}));
  ASSERT_TRUE(device.connected());
  EXPECT_TRUE(eventually([&] { return !device.client->status().detail.empty(); }));
  EXPECT_NE(device.client->status().detail.find("forbidden/t refused (not authorised)"), std::string::npos)
      << device.client->status().detail;
  EXPECT_TRUE(device.client->status().connected);
  device.client->publish("allowed/t", "y", 1);
  EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
  std::filesystem::remove(rules);
}

TEST(MqttClient, AnswersWithoutTheDelayedAckTrap) {
  Broker broker;
  Device server(options(broker, "server", {"ask"}));
  server.echo();
  Device device(options(broker, "device", {"echo"}));
  ASSERT_TRUE(server.connected());
  ASSERT_TRUE(device.connected());
  std::vector<double> times;
  for (std::size_t i = 1; i <= 101; ++i) {
    auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(device.client->publish("ask", "?", 1));
    ASSERT_TRUE(eventually([&] { return device.count() == i; }));
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  EXPECT_LT(times[25], 10.0) << "milliseconds; the trap holds up each for 40, a busy machine only some";
  RecordProperty("median_ms", fmt::format("{:.2f}", times[50]));
}

TEST(MqttClient, SuspectsAnotherClientWithItsId) {
  Broker broker;
  Device first(options(broker, "same"));
  Device second(options(broker, "same"));
  EXPECT_TRUE(eventually(
      [&] { return first.client->status().detail.find("another client may use the id 'same'") != std::string::npos; }));
}

TEST(MqttClient, StopsWithinItsGraceAndDeliversBefore) {
  Broker broker;
  Device listener(options(broker, "listener", {"t"}));
  ASSERT_TRUE(listener.connected());
  {
    Device device(options(broker, "a"));
    ASSERT_TRUE(device.connected());
    for (const auto& text : numbers(0, 1000)) device.client->publish("t", text, 1);
    device.client->stop(seconds(10));
    EXPECT_EQ(device.client->status().outbox, 0u);
    EXPECT_FALSE(device.client->publish("t", "late", 1));
  }
  EXPECT_TRUE(eventually([&] { return listener.count() == 1000; }));
}

TEST(MqttClient, TellsTlsFromPlain) {
  Broker broker;
  auto wanted = options(broker, "a");
  wanted.url = fmt::format("ssl://127.0.0.1:{}", broker.port());
  Device device(wanted);
  ASSERT_TRUE(eventually([&] { return device.client->status().detail.find("TLS handshake") != std::string::npos; }))
      << device.client->status().detail;
}

TEST(MqttClient, ChecksTheBrokersCertificate) {
  auto dir = std::filesystem::temp_directory_path() / fmt::format("ota-mqtt-tls-{}", getpid());
  std::filesystem::create_directories(dir);
  auto certify = [&](const std::string& name, const std::string& alt_name) {
    return std::system(
        fmt::format("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={1} -addext subjectAltName={2} "
                    "-keyout {0}/{1}.key -out {0}/{1}.pem 2>/dev/null && chmod 644 {0}/{1}.key",
                    dir.string(), name, alt_name)
            .c_str());
  };
  ASSERT_EQ(certify("right", "IP:127.0.0.1"), 0);
  ASSERT_EQ(certify("other", "IP:127.0.0.9"), 0);
  auto settings = [&](const std::string& name) {
    return fmt::format("allow_anonymous true\ncertfile {0}/{1}.pem\nkeyfile {0}/{1}.key\n", dir.string(), name);
  };
  auto wanted = [&](const Broker& broker, const std::string& ca) {
    auto result = options(broker, "a", {"t"});
    result.url = fmt::format("ssl://127.0.0.1:{}", broker.port());
    result.ca_file = (dir / ca).string();
    return result;
  };
  auto refused = [](Device& device) {
    return eventually([&] { return device.client->status().detail.find("TLS handshake") != std::string::npos; });
  };
  Broker broker(settings("right"));
  {
    Device device(wanted(broker, "right.pem"));
    ASSERT_TRUE(device.connected()) << device.client->status().detail;
    device.client->publish("t", "x", 1);
    EXPECT_TRUE(eventually([&] { return device.count() == 1; }));
  }
  {
    Device device(wanted(broker, "other.pem"));
    EXPECT_TRUE(refused(device)) << "signed by nobody we trust";
  }
  {
    Device device(wanted(broker, "missing.pem"));
    EXPECT_TRUE(eventually(
        [&] { return device.client->status().detail.find("cannot read the CA file") != std::string::npos; }));
  }
  Broker elsewhere(settings("other"));
  {
    Device device(wanted(elsewhere, "other.pem"));
    EXPECT_TRUE(refused(device)) << "made out to another address";
  }
  std::filesystem::remove_all(dir);
}

TEST(MqttClient, WarnsOnceWhileTheCauseIsTheSame) {
  const auto file = std::filesystem::temp_directory_path() / fmt::format("ota-mqtt-log-{}", getpid());
  ASSERT_TRUE(log::configure(log::Level::debug, file.string(), log::Format::text));
  const auto lines = [&](const std::string& level) {
    std::ifstream in(file);
    int count = 0;
    for (std::string line; std::getline(in, line);)
      if (line.find(level + "mqtt: not connected") != std::string::npos) ++count;
    return count;
  };
  {
    Options closed;
    closed.url = "tcp://127.0.0.1:1";
    closed.reconnect_max = seconds(1);
    Device device(closed);
    EXPECT_TRUE(eventually([&] {
      log::info("flush");
      return lines(" debug ") >= 2;
    }));
  }
  EXPECT_EQ(lines(" warn  "), 1);
  ASSERT_TRUE(log::configure(log::Level::info, "", log::Format::text));
  std::filesystem::remove(file);
}

TEST(MqttClient, NamesAnAddressThatIsNone) {
  Options wrong;
  wrong.url = "http://127.0.0.1:1";
  Device device(wrong);
  EXPECT_TRUE(
      eventually([&] { return device.client->status().detail.find("not a broker address") != std::string::npos; }));
}

}  // namespace
}  // namespace ota::mqtt
