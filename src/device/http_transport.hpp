// Devices over HTTP: the same messages as over MQTT (docs/device-protocol.md, The same over HTTP).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "device/context.hpp"
#include "device/decode.hpp"
#include "ota/http/message.hpp"

namespace ota::device {

/// An `error` payload with the corresponding HTTP status.
http::Reply error_reply(const ErrorAnswer& answer);

class LongPoll;

/// Thread-safe. `POST <root>/<id>/request|progress|verify`, `GET <root>/<id>/next?wait=<0 to 60 s>`.
class HttpTransport {
 public:
  static constexpr std::chrono::seconds kDefaultWait{30};
  static constexpr std::chrono::seconds kMaxWait{60};

  explicit HttpTransport(Context& context);

  /// Prefix of the paths: the topic root, with a slash at its end.
  const std::string& prefix() const noexcept { return prefix_; }
  boost::asio::awaitable<http::Reply> handle(http::Request& request);

 private:
  /// Logs the error and returns an `error` payload.
  http::Reply refused(const http::Request& request, std::string_view device, const ErrorAnswer& answer);
  boost::asio::awaitable<http::Reply> message(http::Request& request, DeviceId device, const MessageType& type);
  boost::asio::awaitable<http::Reply> next(http::Request& request, DeviceId device);
  /// What the engine has for the device at present; this also authenticates it. If there is nothing, `poll` stays open.
  boost::asio::awaitable<Result<std::optional<Answer>>> listen(DeviceId device, Credentials who,
                                                               std::shared_ptr<LongPoll> poll);
  boost::asio::awaitable<std::optional<std::string>> hold(std::shared_ptr<LongPoll> poll, std::chrono::seconds wait);
  /// The answer, or an error if it is longer than the device accepts.
  http::Reply answer_reply(const http::Request& request, const std::string& device, const Answer& answer);

  Context& context_;
  const std::string prefix_;
};

}  // namespace ota::device
