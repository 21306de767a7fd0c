// Images, chunks and manifests for devices: over HTTP at signed addresses, and chunks over MQTT (protocol.md, Chunks).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/download/auth_throttle.hpp"
#include "ota/download/counters.hpp"
#include "ota/download/refusal_log.hpp"
#include "ota/engine/engine.hpp"
#include "ota/firmware/store.hpp"
#include "ota/http/message.hpp"

namespace ota::download {

struct Options {
  std::string topic_root = "/ota";
  std::vector<std::string> signing_keys;  ///< secrets for download URLs: the first signs, all are honoured
};

/// What a download asks of the transports; each may be left out. Thread-safe.
struct Hooks {
  /// mqtt::Client::publish_bulk, for chunks. Without it none is sent over MQTT.
  std::function<bool(std::string topic, std::string payload, std::function<void(bool written)> sent)> publish_bulk{};
  /// http::Server::may_send, for chunks over MQTT. Without it they know no cap.
  std::function<bool(const http::Bandwidth& bandwidth, std::size_t wanted, std::function<void(std::size_t)> granted)>
      may_send{};
  /// mqtt::Client::max_payload.
  std::function<std::size_t(std::size_t topic_bytes)> max_broker_payload{};
};

/// Thread-safe. Outlives the engine's thread and the HTTP server's.
class Service {
 public:
  /// All that is referred to outlives it.
  static std::unique_ptr<Service> create(Options options, const Clock& clock, engine::Engine& engine,
                                         firmware::Store& store, AuthThrottle& throttle, RefusalLog& refusals,
                                         Hooks hooks);
  virtual ~Service() = default;

  /// Whether that path is a download's.
  virtual bool owns(std::string_view path) const = 0;
  /// Every answer that isn't the content is a problem+json: 403 without a good signed query or the device's own token
  /// or certificate, 410 once the task ended, 404 for no such chunk, 503 for a task that has to wait or an image that
  /// is damaged.
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;

  /// Sends the first of these chunks that fit into the device's window over MQTT. Errc::bad_chunk_range where one is
  /// past the end, or too large for MQTT or for this broker; Errc::image_damaged; Errc::overloaded.
  virtual Result<void> send_chunks(const DeviceId& device, const ChunkRequest& request,
                                   const engine::ChunkGrant& grant) = 0;
  /// Sends no more chunks over MQTT, and waits for what is being read. Before the broker's client goes.
  virtual void stop_chunks() = 0;
  /// Those of downloads and chunks; the others are 0.
  virtual DeviceCounters counters() const = 0;
};

}  // namespace ota::download
