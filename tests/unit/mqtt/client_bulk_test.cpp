// Bulk messages through a real broker: beside the others, behind them, within its packet limit.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "client_device.hpp"
#include "ota/base/random.hpp"
#include "ota/mqtt/client.hpp"
#include "support/broker.hpp"

namespace ota::mqtt {
namespace {

using ota::test::Broker;
using ota::test::eventually;
using std::chrono::seconds;

class Peer {
 public:
  Peer(const Broker& broker, std::string id, std::vector<std::string> filters = {}) {
    Options options;
    options.url = broker.url();
    options.client_id = std::move(id);
    options.subscriptions = std::move(filters);
    options.max_payload_bytes = 4u << 20;
    options.reconnect_max = seconds(1);
    Handlers handlers;
    handlers.on_message = [this](std::string_view topic, std::string_view payload) {
      std::lock_guard lock(mutex_);
      heard_.emplace_back(std::string(topic) + " " + std::string(payload.substr(0, payload.find('|'))));
      bytes_ += payload.size();
    };
    client = Client::create(std::move(options), std::move(handlers), random_);
    client->start();
  }
  ~Peer() { client->stop(seconds(2)); }

  bool connected() {
    return eventually([&] { return client->status().connected; });
  }
  bool bulk(int number, std::size_t bytes) {
    auto payload = std::to_string(number) + "|";
    payload.resize(bytes, 'x');
    return client->publish_bulk("bulk", "bulk", std::move(payload),
                                [this](bool written) { ++(written ? written_ : lost_); });
  }
  std::vector<std::string> heard() {
    std::lock_guard lock(mutex_);
    return heard_;
  }
  std::size_t bytes() {
    std::lock_guard lock(mutex_);
    return bytes_;
  }
  int written() const { return written_; }
  int lost() const { return lost_; }

  std::unique_ptr<Client> client;

 private:
  SystemRandom random_;
  std::mutex mutex_;
  std::vector<std::string> heard_;
  std::size_t bytes_ = 0;
  std::atomic<int> written_ = 0;
  std::atomic<int> lost_ = 0;
};

TEST(MqttBulk, ArrivesWholeInOrderAndTellsWhenItIsWritten) {
  Broker broker;
  Peer listener(broker, "listener", {"bulk"});
  Peer sender(broker, "sender");
  ASSERT_TRUE(listener.connected());
  ASSERT_TRUE(sender.connected());
  constexpr std::size_t kBytes = 1u << 20;
  for (int i = 0; i < 32; ++i) {
    ASSERT_TRUE(eventually([&] { return sender.bulk(i, kBytes); })) << "the lane never had room for message " << i;
    // A subscriber that falls behind is dropped QoS 0 messages by the broker.
    ASSERT_TRUE(eventually([&] { return listener.heard().size() + 4 > static_cast<std::size_t>(i); }));
  }
  ASSERT_TRUE(eventually([&] { return listener.heard().size() == 32; }));
  for (int i = 0; i < 32; ++i) EXPECT_EQ(listener.heard()[static_cast<std::size_t>(i)], "bulk " + std::to_string(i));
  EXPECT_EQ(listener.bytes(), 32 * kBytes);
  EXPECT_TRUE(eventually([&] { return sender.written() == 32; }));
  EXPECT_EQ(sender.lost(), 0);
  EXPECT_EQ(sender.client->status().bulk, 0u);
  EXPECT_EQ(sender.client->status().published, 0u) << "counts the others";
}

TEST(MqttBulk, NeverHoldsUpOtherMessagesForLong) {
  Broker broker("allow_anonymous true\n", "max_queued_bytes 0\n");
  Peer listener(broker, "listener", {"bulk", "word"});
  Peer sender(broker, "sender");
  ASSERT_TRUE(listener.connected());
  ASSERT_TRUE(sender.connected());
  broker.pause();
  constexpr std::size_t kBytes = 64u << 10;
  int pushed = 0;
  while (sender.bulk(pushed, kBytes)) ++pushed;
  EXPECT_GT(pushed, 100);
  ASSERT_TRUE(sender.client->publish("word", "now", 1));
  const auto left = static_cast<int>(sender.client->status().bulk);
  const int gone = pushed - left;
  EXPECT_GT(left, 50) << "hardly any waits, so this test shows nothing";
  broker.resume();
  ASSERT_TRUE(eventually([&] { return sender.written() == pushed; }));
  std::ptrdiff_t place = 0;
  ASSERT_TRUE(eventually([&] {
    const auto heard = listener.heard();
    place = std::find(heard.begin(), heard.end(), "word now") - heard.begin();
    return place < std::ssize(heard);
  }));
  EXPECT_LE(place, gone + 4) << "bulk messages before it, of " << pushed;
}

TEST(MqttBulk, StaysWithinTheBrokersPacketSize) {
  Broker broker("allow_anonymous true\n", "max_packet_size 20000\n");
  Peer listener(broker, "listener", {"bulk"});
  Peer sender(broker, "sender");
  EXPECT_EQ(sender.client->max_payload(4), 0u) << "not connected";
  ASSERT_TRUE(listener.connected());
  ASSERT_TRUE(sender.connected());
  const auto most = sender.client->max_payload(4);
  EXPECT_LT(most, 20'000u);
  EXPECT_GT(most, 19'900u);
  EXPECT_FALSE(sender.bulk(0, most + 1));
  EXPECT_TRUE(sender.bulk(1, most));
  EXPECT_TRUE(eventually([&] { return listener.heard().size() == 1; }));
  EXPECT_EQ(sender.client->status().connects, 1u);

  Broker open;
  Peer other(open, "other");
  ASSERT_TRUE(other.connected());
  EXPECT_GT(other.client->max_payload(4), 200u << 20) << "the broker names no limit";
}

TEST(MqttBulk, IsLostWithTheConnectionAndSaysSo) {
  Broker broker;
  Peer sender(broker, "sender");
  EXPECT_FALSE(sender.bulk(0, 100)) << "not connected yet";
  ASSERT_TRUE(sender.connected());
  broker.pause();
  int pushed = 0;
  while (sender.bulk(pushed, 64u << 10)) ++pushed;
  broker.kill();
  EXPECT_TRUE(eventually([&] { return sender.written() + sender.lost() == pushed; }));
  EXPECT_GT(sender.lost(), 0);
  EXPECT_FALSE(sender.bulk(0, 100));
  broker.restart();
  ASSERT_TRUE(sender.connected());
  EXPECT_TRUE(sender.bulk(0, 100));
  EXPECT_TRUE(eventually([&] { return sender.written() + sender.lost() == pushed + 1; }));
}

/// Groups whose messages a broker of 3.1.1 ends the connection for are refused after a few losses; others go on.
void find_bad_groups(const std::vector<std::string>& bad) {
  Broker broker("allow_anonymous true\n", "max_packet_size 2000\n");
  auto wanted = test::options(broker, "a", {"word"});
  wanted.version = Version::v3_1_1;
  test::Device device(wanted);
  Peer listener(broker, "listener", {"good/+"});
  ASSERT_TRUE(listener.connected());
  ASSERT_TRUE(device.connected());
  std::atomic<int> told = 0;
  int asked = 0;
  const auto send = [&](const std::string& group, std::size_t bytes) {
    asked += device.client->publish_bulk(group, group + "/1", std::string(bytes, 'x'), [&](bool) { ++told; }) ? 1 : 0;
  };
  // As devices do, which ask until they have it; control messages go all the time.
  int words = 0;
  EXPECT_TRUE(eventually(
      [&] {
        for (const auto& group : bad) send(group, 3000);
        send("good", 100);
        device.client->publish("word", std::to_string(words++), 1);
        return std::all_of(bad.begin(), bad.end(),
                           [&](const auto& group) { return device.client->bulk_barred(group); });
      },
      seconds(60)));
  EXPECT_TRUE(eventually([&] { return device.dropped().size() >= bad.size(); })) << "told after it is barred";
  auto dropped = device.dropped();
  ASSERT_EQ(dropped.size(), bad.size()) << testing::PrintToString(dropped);
  std::sort(dropped.begin(), dropped.end());
  for (std::size_t i = 0; i < bad.size(); ++i)
    EXPECT_EQ(dropped[i].find(bad[i] + "/1: the connection to the broker was lost twice"), 0u) << dropped[i];
  EXPECT_FALSE(device.client->bulk_barred("good"));
  EXPECT_EQ(device.client->status().dropped, bad.size());
  ASSERT_TRUE(device.connected());
  const auto connects = device.client->status().connects;
  EXPECT_LE(connects, 1 + 3 * bad.size()) << "one loss with others, two alone";

  for (const auto& group : bad) EXPECT_FALSE(device.client->publish_bulk(group, group + "/1", "x", [](bool) {}));
  const auto before = listener.heard().size();
  send("good", 100);
  EXPECT_TRUE(eventually([&] { return listener.heard().size() > before; }));
  EXPECT_TRUE(eventually([&] { return device.client->status().outbox == 0; }));
  EXPECT_TRUE(eventually([&] { return told == asked; }));
  auto heard = device.heard("word");
  heard.erase(std::unique(heard.begin(), heard.end()), heard.end());
  EXPECT_GE(heard.size(), static_cast<std::size_t>(words)) << "no control message is lost";
  EXPECT_EQ(device.client->status().connects, connects);
}

TEST(MqttBulk, AGroupThatBreaksTheConnectionIsRefusedAndOthersGoOn) { find_bad_groups({"bad"}); }

TEST(MqttBulk, SeveralGroupsThatBreakTheConnectionAreAllRefused) { find_bad_groups({"bad1", "bad2", "bad3"}); }

TEST(MqttBulk, BrokersThatRestartBarNobody) {
  for (const auto version : {Version::v5, Version::v3_1_1}) {
    Broker broker;
    auto wanted = test::options(broker, "a");
    wanted.version = version;
    test::Device device(wanted);
    std::atomic<int> written = 0;
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(device.connected());
      const int before = written;
      EXPECT_TRUE(eventually([&] {
        device.client->publish_bulk("g", "g/1", std::string(1000, 'x'), [&](bool well) { written += well ? 1 : 0; });
        return written > before + 20;
      }));
      broker.kill();
      EXPECT_TRUE(eventually([&] { return !device.client->status().connected; }));
      broker.restart();
    }
    EXPECT_EQ(device.dropped(), std::vector<std::string>{});
    EXPECT_FALSE(device.client->bulk_barred("g"));
    EXPECT_EQ(device.client->status().connects, 5u);
  }
}

}  // namespace
}  // namespace ota::mqtt
