// Images, chunks and manifests for devices: over HTTP at signed URLs, and chunks over MQTT (device-protocol.md,
// Chunks).
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
  std::vector<std::string> signing_keys;  ///< keys of download URLs: the first signs, all are accepted
};

/// Functions of the transports that downloads use; each is optional. Thread-safe.
struct Hooks {
  /// mqtt::Client::publish_bulk, for chunks. Without it no chunk is sent over MQTT.
  std::function<bool(std::string group, std::string topic, std::string payload,
                     std::function<void(bool written)> sent)>
      publish_bulk{};
  /// mqtt::Client::bulk_barred.
  std::function<bool(const std::string& group)> bulk_barred{};
  /// http::Server::may_send, for chunks over MQTT. Without it their rate isn't limited.
  std::function<bool(const http::Bandwidth& bandwidth, std::size_t wanted, std::function<void(std::size_t)> granted)>
      may_send{};
  /// mqtt::Client::max_payload.
  std::function<std::size_t(std::size_t topic_bytes)> max_broker_payload{};
};

/// Thread-safe. Outlives the engine's thread and the HTTP server's.
class Service {
 public:
  /// Precondition: all references outlive it.
  static std::unique_ptr<Service> create(Options options, const Clock& clock, engine::Engine& engine,
                                         firmware::Store& store, AuthThrottle& throttle, RefusalLog& refusals,
                                         Hooks hooks);
  virtual ~Service() = default;

  /// Whether the path belongs to downloads.
  virtual bool owns(std::string_view path) const = 0;
  /// Every reply other than the content is a problem+json: 403 without a valid signed query or the device's own token
  /// or certificate, 410 if the task has ended, 404 if there is no such chunk, 503 if the task isn't active or the
  /// image is corrupt.
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;

  /// The image as a file with its name: ranges, conditions and HEAD as for images. Errc::image_damaged.
  virtual Result<http::Reply> file(const http::Request& request, const engine::ArtifactGrant& grant) = 0;

  /// Sends the first of these chunks that fit into the device's window over MQTT. Errc::bad_chunk_range if one is
  /// past the end, or too large for MQTT or for this broker; Errc::image_damaged; Errc::overloaded.
  virtual Result<void> send_chunks(const DeviceId& device, const ChunkRequest& request,
                                   const engine::ChunkGrant& grant) = 0;
  /// Stops sending chunks over MQTT and waits for reads in progress. Call it before the MQTT client is destroyed.
  virtual void stop_chunks() = 0;
  /// The counters of downloads and chunks; all others are 0.
  virtual DeviceCounters counters() const = 0;
};

/// What all interfaces for devices share.
struct Shared {
  Service& service;
  AuthThrottle& throttle;
  RefusalLog& refusals;
};

}  // namespace ota::download
