// Drives whole life cycles of devices over MQTT, QoS 1: request, metadata, four times progress, verify, success.
//
//   bench_load PORT ROOT IN_FLIGHT CYCLES CHECKSUM     prints one line of JSON
//
// As soon as a cycle is done the next device begins one; there are so many that none says more in a second than a
// device may. All share one connection.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt_line.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kChunks = 4;
constexpr std::string_view kRequest =
    R"({"version":"2.0","hardware":"bench","max_chunk_bytes":65536,"transports":["http"]})";

struct Device {
  std::string topic;
  Clock::time_point began;
  bool offered = false;
};

class Load {
 public:
  Load(std::uint16_t port, std::string root, std::size_t in_flight, std::size_t cycles, std::string checksum)
      : root_(std::move(root)),
        checksum_(std::move(checksum)),
        in_flight_(in_flight),
        cycles_(cycles),
        line_(port, "otad-bench-load"),
        devices_(cycles) {
    line_.subscribe({root_ + "/+/metadata", root_ + "/+/success", root_ + "/+/queued", root_ + "/+/retry",
                     root_ + "/+/failed", root_ + "/+/error", root_ + "/+/up_to_date"});
    took_.reserve(cycles);
  }

  void run() {
    // New ones in each run: a device that got its update needs none.
    for (std::size_t i = 0; i < devices_.size(); ++i)
      devices_[i].topic = fmt::format("{}/gw-bench-{}-{}", root_, ::getpid(), i);
    const auto began = Clock::now();
    for (std::size_t i = 0; i < in_flight_; ++i) begin();
    while (took_.size() < cycles_)
      line_.receive([this](std::string_view topic, std::string_view payload) { heard(topic, payload); });
    const std::chrono::duration<double> seconds = Clock::now() - began;
    std::sort(took_.begin(), took_.end());
    fmt::print("{{\"cycles\": {}, \"seconds\": {:.6f}, \"median_ms\": {:.4f}, \"p99_ms\": {:.4f}}}\n", took_.size(),
               seconds.count(), took_[took_.size() / 2], took_[took_.size() * 99 / 100]);
  }

 private:
  void begin() {
    if (begun_ == cycles_) return;
    auto& device = devices_[begun_++];
    device.began = Clock::now();
    device.offered = false;
    line_.publish(device.topic + "/request", kRequest);
  }

  void heard(std::string_view topic, std::string_view payload) {
    const auto word = topic.substr(topic.rfind('/') + 1);
    const auto id = topic.substr(0, topic.rfind('/'));
    std::size_t number = 0;
    const auto digits = id.substr(id.rfind('-') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    auto& device = devices_.at(number);
    if (word == "metadata" && !device.offered) {
      device.offered = true;
      fetch_and_verify(device, payload);
    } else if (word == "success" && device.offered) {
      took_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - device.began).count());
      device.offered = false;
      begin();
    } else {
      fmt::print(stderr, "bench_load: not expected: {} {}\n", topic, payload);
      std::exit(1);
    }
  }

  void fetch_and_verify(Device& device, std::string_view metadata) {
    constexpr std::string_view kKey = "\"task_id\":\"";
    const auto at = metadata.find(kKey) + kKey.size();
    const auto task = metadata.substr(at, metadata.find('"', at) - at);
    for (int chunk = 0; chunk < kChunks; ++chunk)
      line_.publish(device.topic + "/progress",
                    fmt::format(R"({{"task_id":"{}","chunk":{},"status":"ok","transport":"http"}})", task, chunk));
    line_.publish(device.topic + "/verify",
                  fmt::format(R"({{"task_id":"{}","attempt":1,"checksum":"{}"}})", task, checksum_));
  }

  const std::string root_;
  const std::string checksum_;
  const std::size_t in_flight_;
  const std::size_t cycles_;
  ota::bench::MqttLine line_;
  std::vector<Device> devices_;
  std::size_t begun_ = 0;
  std::vector<double> took_;  // ms
};

}  // namespace

int main(int count, char** words) {
  if (count != 6) {
    fmt::print(stderr, "bench_load PORT ROOT IN_FLIGHT CYCLES CHECKSUM\n");
    return 2;
  }
  Load load(static_cast<std::uint16_t>(std::atoi(words[1])), words[2], std::strtoul(words[3], nullptr, 10),
            std::strtoul(words[4], nullptr, 10), words[5]);
  load.run();
}
