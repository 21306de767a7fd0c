// What the broker, the network and the library cost without a server behind them: keeps nothing, decides nothing, and
// answers each request with the same metadata and each verify with the same success, on otad's own room mqtt.
//
//   bench_echo PORT ROOT METADATA_FILE     until SIGTERM
#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "ota/base/random.hpp"
#include "ota/mqtt/client.hpp"

namespace {

constexpr const char* kSuccess = R"({"type":"success","task_id":"OTA_20261122_000001","version":"2.0"})";

std::string read(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    fmt::print(stderr, "bench_echo PORT ROOT METADATA_FILE\n");
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  const std::string root = words[2];
  const std::string metadata = read(words[3]);
  ota::mqtt::Options options;
  options.url = fmt::format("tcp://127.0.0.1:{}", words[1]);
  options.client_id = "otad-bench-echo";
  for (const auto* word : {"request", "progress", "verify"})
    options.subscriptions.push_back(fmt::format("{}/+/{}", root, word));

  std::unique_ptr<ota::mqtt::Client> client;
  ota::mqtt::Handlers handlers;
  handlers.on_message = [&](std::string_view topic, std::string_view) {
    const auto slash = topic.rfind('/');
    const auto word = topic.substr(slash + 1);
    const auto device = topic.substr(0, slash);
    if (word == "request") client->publish(fmt::format("{}/metadata", device), metadata, 1);
    if (word == "verify") client->publish(fmt::format("{}/success", device), kSuccess, 1);
  };
  handlers.on_connected = [] {
    fmt::print("ready\n");
    std::fflush(stdout);
  };
  ota::SystemRandom random;
  client = ota::mqtt::Client::create(options, handlers, random);
  client->start();
  int signal = 0;
  sigwait(&ends, &signal);
  client->stop(std::chrono::milliseconds(0));
}
