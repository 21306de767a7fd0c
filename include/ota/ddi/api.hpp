// hawkBit's device interface (Direct Device Integration API), for SWUpdate, rauc-hawkbit-updater, Zephyr and others
// (docs/hawkbit.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/random.hpp"
#include "ota/domain/digest.hpp"
#include "ota/download/service.hpp"
#include "ota/engine/engine.hpp"
#include "ota/http/host_names.hpp"
#include "ota/http/message.hpp"

namespace ota::ddi {

struct Options {
  std::string tenant = "DEFAULT";               ///< in any case
  std::chrono::seconds poll{300};               ///< from kShortestPoll to kLongestPoll
  std::optional<Digest> gateway_token;          ///< SHA-256 of the token that speaks for all devices; nothing: none does
  std::vector<std::string> trusted_proxies;     ///< addresses whose headers name a certificate and a host
  std::string public_url;                       ///< `http://gw:8080`, no slash at the end; empty: what was called
  bool tls = false;                             ///< the listener takes TLS only
  std::shared_ptr<const http::HostNames> hosts = std::make_shared<http::HostNames>();
};

/// Thread-safe. Outlives the engine's thread and the HTTP server's.
class Api {
 public:
  /// Precondition: what `shared` refers to, and `engine`, live as long.
  static std::unique_ptr<Api> create(Options options, Random& random, engine::Engine& engine,
                                     download::Shared shared);
  virtual ~Api() = default;

  /// Whether that path is `/{tenant}/controller/v1/…`.
  virtual bool owns(std::string_view path) const = 0;
  virtual boost::asio::awaitable<http::Reply> handle(http::Request& request) = 0;
  virtual download::DdiCounters counters() const = 0;
};

}  // namespace ota::ddi
