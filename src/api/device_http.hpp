// Devices over HTTP: the same messages as over MQTT (protocol.md, The same over HTTP).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "api/device_call.hpp"
#include "api/device_context.hpp"
#include "ota/http/message.hpp"

namespace ota::api {

/// Thread-safe. `POST <root>/<id>/request|progress|verify`, `GET <root>/<id>/next?wait=<0 to 60 s>`.
class DeviceHttp {
 public:
  static constexpr std::chrono::seconds kDefaultWait{30};
  static constexpr std::chrono::seconds kMaxWait{60};

  explicit DeviceHttp(DeviceContext& context);

  /// Where the paths begin: the topic root as a path, with a slash at its end.
  const std::string& prefix() const noexcept { return prefix_; }
  boost::asio::awaitable<http::Reply> handle(http::Request& request);

 private:
  boost::asio::awaitable<http::Reply> message(http::Request& request, DeviceId device, DeviceWord word);
  boost::asio::awaitable<http::Reply> next(http::Request& request, DeviceId device);
  /// What the engine has for the device already; it proves itself by that.
  boost::asio::awaitable<Result<std::optional<Answer>>> listen(DeviceId device, Credentials who);
  boost::asio::awaitable<Result<std::optional<std::string>>> hold_line(std::string device, std::chrono::seconds wait);
  /// Logged, and answered with an `error` payload.
  http::Reply refused(std::string_view device, const ErrorAnswer& answer);

  DeviceContext& context_;
  const std::string prefix_;
};

}  // namespace ota::api
