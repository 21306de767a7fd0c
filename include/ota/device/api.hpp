// The interface for devices: messages over MQTT and HTTP, downloads (docs/device-protocol.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/random.hpp"
#include "ota/download/counters.hpp"
#include "ota/download/service.hpp"
#include "ota/engine/engine.hpp"
#include "ota/firmware/store.hpp"
#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"

namespace ota::device {

struct Options {
  std::string topic_root = "/ota";
  int qos = 1;
  int critical_qos = 1;    ///< verify, success, retry, failed, cancel
  std::string public_url;  ///< `http://gw:8080`, no slash at the end; empty: over HTTP the address that was called
  bool tls = false;        ///< downloads are served by https
  std::shared_ptr<const http::HostNames> hosts = std::make_shared<http::HostNames>();
  std::chrono::seconds url_life{3600};
  std::size_t inline_chunks = 64;         ///< `metadata` contains `chunks` up to this number
  std::vector<std::string> signing_keys;  ///< keys of download URLs: the first signs, all are accepted
};

/// Publishes one MQTT message; false if the queue to the broker is full. Thread-safe, never blocks.
using Publish = std::function<bool(std::string topic, std::string payload, int qos)>;

/// Converts answers into messages: JSON, signed URLs, digests. A message that the engine pushes is sent over MQTT and
/// to the device's long poll (`GET /ota/{id}/next`). Thread-safe.
class Notifier : public engine::DeviceNotifier {
 public:
  /// `max_payload` is mqtt::Client::max_payload; without it there is no limit.
  static std::unique_ptr<Notifier> create(Options options, const Clock& clock, firmware::ManifestProvider& manifests,
                                          Publish publish, std::function<std::size_t(std::size_t)> max_payload = {});
  /// Sets the public URL, once the listen address is known. Precondition: no traffic yet.
  virtual void set_public_url(std::string url) = 0;

  /// Sends the answer to a device's MQTT message.
  virtual void send(const std::string& device, const Answer& answer) = 0;
  /// The JSON of an answer, as `send` would publish it. URLs begin with `base`, or with the public URL if that is
  /// empty. Errc::bad_message if it is longer than the device accepts.
  virtual Result<std::string> payload(const Answer& answer, const std::string& base) = 0;
  /// A signed URL of the offer's image; `base` as for payload().
  virtual std::string image_url(const Offer& offer, const std::string& base) const = 0;
  /// `base`, or the public URL if that is empty.
  virtual std::string base_url(const std::string& base) const = 0;
  /// Opens a long poll for the next pushed `metadata`, `retry` or `cancel`: `done` gets its payload, or nothing if the
  /// poll is closed or replaced by a newer one of the device. Returns nothing if too many polls are open or after
  /// stop_polls(); then `done` is not called. `base` as for payload().
  virtual std::optional<std::uint64_t> open_poll(const std::string& device, std::string base,
                                                 std::function<void(std::optional<std::string>)> done) = 0;
  virtual void close_poll(const std::string& device, std::uint64_t poll) = 0;
  /// Ends all polls and refuses further ones. Call it before the HTTP server stops.
  virtual void stop_polls() = 0;
  /// Number of messages that were dropped because the queue to the broker was full.
  virtual std::uint64_t unsent() const = 0;
};

/// Thread-safe. Outlives the engine's thread and the HTTP server's.
class Api {
 public:
  static std::unique_ptr<Api> create(Options options, const Clock& clock, engine::Engine& engine,
                                     firmware::Store& store, Notifier& notifier, download::Hooks hooks = {});
  virtual ~Api() = default;

  /// The topic filters to subscribe to.
  virtual std::vector<std::string> subscriptions() const = 0;
  /// Handles one MQTT message on Paho's thread: decodes it, passes it to the engine, returns without waiting.
  virtual void on_message(std::string_view topic, std::string_view payload) = 0;
  virtual void on_oversized(std::string_view topic, std::size_t size) = 0;
  /// A retained message: dropped with a warning that names the device.
  virtual void on_retained(std::string_view topic) = 0;
  /// The broker rejects a message to a device: logged with device and task.
  virtual void on_dropped(std::string_view topic, std::string_view payload, const std::string& why) = 0;
  /// Whether that path is the devices': `/ota/…` (the topic root), `/download/…` or `/firmware/latest`.
  virtual bool owns(std::string_view path) const = 0;
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;
  /// For other interfaces of devices; as long as this lives.
  virtual download::Shared shared() = 0;
  virtual download::DeviceCounters counters() const = 0;
  /// Stops sending chunks over MQTT. Call it before the MQTT client is destroyed.
  virtual void stop_chunks() = 0;
};

}  // namespace ota::device
