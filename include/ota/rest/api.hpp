// The REST API for operators, with health and metrics (docs/rest.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/settings.hpp"
#include "ota/download/counters.hpp"
#include "ota/engine/engine.hpp"
#include "ota/events/feed.hpp"
#include "ota/events/webhooks.hpp"
#include "ota/firmware/store.hpp"
#include "ota/firmware/trust.hpp"
#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"
#include "ota/http/server.hpp"
#include "ota/mqtt/client.hpp"
#include "ota/storage/readers.hpp"

namespace ota::rest {

struct Options {
  bool auth_required = true;  ///< security.api_auth, resolved
  std::uint64_t max_upload_bytes = 4ull << 30;
  bool device_registration_closed = false;
  std::string
      public_path{};  ///< prefix of paths for clients, such as `/ota` of a proxy; no slash at its end
  std::string public_url{};  ///< http.public_url; may be empty
  std::shared_ptr<const http::HostNames> hosts = std::make_shared<http::HostNames>();
  /// http.cors_origins: pages of other origins that may call, as browsers write them in `Origin`.
  std::vector<std::string> cors_origins{};
};

/// Values of other modules. Each callable is thread-safe and fast.
struct Probes {
  std::function<mqtt::Status()> broker;
  std::function<http::ServerCounters()> http;
  std::function<download::DeviceCounters()> devices;
  std::function<download::DdiCounters()> ddi;
  std::function<std::chrono::seconds()> present;  ///< devices.present_s
  std::function<std::chrono::days()> living;      ///< fleet.living_days
  std::function<std::shared_ptr<const std::vector<SettingView>>()> settings;  ///< those in force
};

/// Thread-safe.
class Api {
 public:
  static std::unique_ptr<Api> create(Options options, const Clock& clock, engine::Engine& engine,
                                     storage::Readers& readers, events::Feed& feed, events::Webhooks& webhooks,
                                     firmware::Store& store, std::shared_ptr<const firmware::Trust> trust,
                                     Probes probes);
  virtual ~Api() = default;
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;
};

}  // namespace ota::rest
