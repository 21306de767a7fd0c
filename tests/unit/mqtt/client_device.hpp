// A client and what it heard, for tests.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ota/base/random.hpp"
#include "ota/mqtt/client.hpp"
#include "support/broker.hpp"

namespace ota::mqtt::test {

using ota::test::Broker;
using ota::test::eventually;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Device {
 public:
  explicit Device(Options options) {
    Handlers handlers;
    handlers.on_message = [this](std::string_view topic, std::string_view payload) {
      std::lock_guard lock(mutex_);
      heard_[std::string(topic)].emplace_back(payload);
      ++count_;
      if (Client* to = echo_) to->publish("echo", std::string(payload), 1);
    };
    handlers.on_oversized = [this](std::string_view, std::size_t size) { oversized_ = size; };
    handlers.on_retained = [this](std::string_view topic) {
      std::lock_guard lock(mutex_);
      retained_.emplace_back(topic);
    };
    handlers.on_dropped = [this](std::string_view topic, std::string_view, const std::string& why) {
      std::lock_guard lock(mutex_);
      dropped_.push_back(fmt::format("{}: {}", topic, why));
    };
    client = Client::create(std::move(options), std::move(handlers), random_);
    client->start();
  }
  ~Device() { client->stop(seconds(2)); }

  bool connected(milliseconds patience = seconds(20)) {
    return eventually([&] { return client->status().connected; }, patience);
  }
  std::vector<std::string> heard(const std::string& topic) {
    std::lock_guard lock(mutex_);
    return heard_[topic];
  }
  std::size_t count() const { return count_; }
  std::vector<std::string> retained() {
    std::lock_guard lock(mutex_);
    return retained_;
  }
  /// `topic: why` of each message that was given up.
  std::vector<std::string> dropped() {
    std::lock_guard lock(mutex_);
    return dropped_;
  }
  std::size_t oversized() const { return oversized_; }
  void echo() { echo_ = client.get(); }

  std::unique_ptr<Client> client;

 private:
  SystemRandom random_;
  std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> heard_;
  std::vector<std::string> retained_, dropped_;
  std::atomic<std::size_t> count_ = 0;
  std::atomic<std::size_t> oversized_ = 0;
  std::atomic<Client*> echo_ = nullptr;
};

inline Options options(const Broker& broker, std::string id, std::vector<std::string> filters = {}, int qos = 1) {
  Options result;
  result.url = broker.url();
  result.client_id = std::move(id);
  result.subscriptions = std::move(filters);
  result.subscribe_qos = qos;
  result.reconnect_max = seconds(2);
  return result;
}

inline std::vector<std::string> numbers(int from, int to) {
  std::vector<std::string> result;
  for (int i = from; i < to; ++i) result.push_back(std::to_string(i));
  return result;
}

}  // namespace ota::mqtt::test
