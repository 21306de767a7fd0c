// A server written from docs/device-protocol.md alone, that does as a test tells it: MQTT through a real Mosquitto,
// chunks from a small HTTP server.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "ota/base/random.hpp"
#include "ota/mqtt/client.hpp"
#include "support/broker.hpp"

namespace ota::agent {

using Json = nlohmann::json;

/// What one update consists of.
struct Firmware {
  std::string task = "OTA_20261122_000001";
  std::string version = "2.0.0";
  std::string hardware;
  std::string priority = "normal";
  std::string image;
  std::size_t chunk_bytes = 1000;
  bool inline_digests = true;
  Json transports = {"http", "mqtt"};
  Json signature;
  Json downgrade;

  std::size_t count() const { return (image.size() + chunk_bytes - 1) / chunk_bytes; }
  std::string chunk(std::size_t index) const { return image.substr(index * chunk_bytes, chunk_bytes); }
};

struct Answer {
  int status = 200;
  std::string body;
  std::string headers;  ///< further lines, each ended by \r\n
};

class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  const test::Broker& broker() const { return broker_; }

  /// How a message of a device is answered; called on the MQTT thread. By default as docs/device-protocol.md has it for
  /// `offer`.
  std::function<void(const std::string& device, const std::string& what, const Json& message)> on_message;
  /// What is served in place of the right answer; nothing for that.
  std::function<std::optional<Answer>(const Firmware& firmware, std::size_t index)> on_chunk;

  /// Offers it to whoever asks from now on.
  void offer(Firmware firmware);
  void send(const std::string& device, const Json& message);
  bool all_is_sent() const { return client_->status().outbox == 0; }
  Json metadata(const Firmware& firmware, int attempt = 1) const;
  Json retry(const Firmware& firmware, int attempt, Json missing, const std::string& reason) const;
  static std::string checksum(const std::string& bytes);

  /// All messages of one kind so far.
  std::vector<Json> heard(const std::string& what);
  std::size_t count(const std::string& what) { return heard(what).size(); }
  /// How often each chunk of a task was handed out over MQTT.
  std::map<std::size_t, int> published(const std::string& task);
  /// Chunks asked for over MQTT wait from now on, until they are let go.
  void withhold_chunks() { withholding_ = true; }
  void let_chunks_go();
  /// How often each chunk of a task was handed out right over HTTP.
  std::map<std::size_t, int> served(const std::string& task);
  int served_in_all();
  /// The addresses of earlier metadata answer 403 from now on.
  void expire_urls() { ++generation_; }

 private:
  void send_chunks(const std::string& device, const Json& message);
  void answer(const std::string& device, const std::string& what, const Json& message);
  void accept_connections();
  void serve(int fd);
  Answer respond(const std::string& path);

  test::Broker broker_;
  SystemRandom random_;
  std::mutex mutex_;
  std::vector<std::pair<std::string, Json>> heard_;
  std::vector<Firmware> offers_;
  std::map<std::string, std::map<std::size_t, int>> served_;
  std::map<std::string, std::map<std::size_t, int>> published_;
  std::vector<std::pair<std::string, Json>> withheld_;  // a device's questions
  std::atomic<bool> withholding_ = false;
  std::atomic<int> generation_ = 0;
  std::atomic<bool> stopping_ = false;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::vector<std::thread> sessions_;
  std::thread acceptor_;
  std::unique_ptr<mqtt::Client> client_;
};

}  // namespace ota::agent
