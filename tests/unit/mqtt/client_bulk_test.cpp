// Bulk messages through a real broker: beside the others, behind them, within its packet limit.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

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
    return client->publish_bulk("bulk", std::move(payload), [this](bool written) { ++(written ? written_ : lost_); });
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

}  // namespace
}  // namespace ota::mqtt
