// What devices say and hear: MQTT messages, the same over HTTP, downloads (protocol.md).
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
  std::string public_url;  ///< `http://gw:8080`, no slash at the end; empty: over HTTP the address that was asked
  bool tls = false;        ///< what is served is https
  std::shared_ptr<const http::HostNames> hosts = std::make_shared<http::HostNames>();
  std::chrono::seconds url_life{3600};
  std::size_t inline_chunks = 64;         ///< `metadata` carries `chunks` up to so many
  std::vector<std::string> signing_keys;  ///< secrets for download URLs: the first signs, all are honoured
};

/// Publishes one MQTT message; false where the queue to the broker is full. Thread-safe, never waits.
using Publish = std::function<bool(std::string topic, std::string payload, int qos)>;

/// Turns answers into messages: JSON, signed URLs, digests. What the engine pushes goes to MQTT and to a device that
/// waits on `GET /ota/{id}/next`. Thread-safe.
class Notifier : public engine::Courier {
 public:
  /// `max_payload` is mqtt::Client::max_payload; without it the broker takes any length.
  static std::unique_ptr<Notifier> create(Options options, const Clock& clock, firmware::ManifestProvider& manifests,
                                          Publish publish, std::function<std::size_t(std::size_t)> max_payload = {});
  /// The same, once the listen address is known. Before any traffic.
  virtual void set_public_url(std::string url) = 0;

  /// Answers a device's MQTT message.
  virtual void send(const std::string& device, const Answer& answer) = 0;
  /// The JSON of an answer, as `send` would publish it, for a device that is told it now. URLs begin with `base`, with
  /// the public URL where that is empty. Errc::bad_message where it is longer than the device takes.
  virtual Result<std::string> payload(const Answer& answer, const std::string& base) = 0;
  /// A device waits for the next `metadata`, `retry` or `cancel` that is pushed: `done` gets its payload, or nothing
  /// where the poll is closed or a newer one of the device takes its place. Nothing where too many wait or after
  /// stop_polls(); `done` is not called then. `base` as for payload().
  virtual std::optional<std::uint64_t> open_poll(const std::string& device, std::string base,
                                                 std::function<void(std::optional<std::string>)> done) = 0;
  virtual void close_poll(const std::string& device, std::uint64_t poll) = 0;
  /// Lets all go that wait, and takes no more. Before the HTTP server stops.
  virtual void stop_polls() = 0;
  /// Messages that the queue to the broker had no room for.
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
  /// One MQTT message, on Paho's thread: decodes, hands to the engine, returns.
  virtual void on_message(std::string_view topic, std::string_view payload) = 0;
  virtual void on_oversized(std::string_view topic, std::size_t size) = 0;
  /// A message that the broker had kept: dropped with a warning that names the device.
  virtual void on_retained(std::string_view topic) = 0;
  /// The broker doesn't take a message to a device: logged with device and task.
  virtual void on_dropped(std::string_view topic, std::string_view payload, const std::string& why) = 0;
  /// Whether that path is the devices': `/ota/…` (the topic root) or `/download/…`.
  virtual bool owns(std::string_view path) const = 0;
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;
  virtual download::DeviceCounters counters() const = 0;
  /// Sends no more chunks over MQTT. Before the broker's client goes.
  virtual void stop_chunks() = 0;
};

}  // namespace ota::device
