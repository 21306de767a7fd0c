// A device's messages from and to the server: over MQTT, and over HTTP while the broker is unreachable.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "agent/gateway_channel.hpp"
#include "agent/options.hpp"
#include "agent/retry_timer.hpp"
#include "ota/mqtt/client.hpp"

namespace ota::agent {

/// Whether messages may go to a gateway that the server named, `http://gw:8080`. They contain the device's token: if it
/// has one, only over https and to the host of `broker` (`ssl://gw:8883`), which the device's owner configured. A
/// gateway without TLS is not used if the broker has TLS.
bool may_carry_messages(std::string_view gateway, std::string_view broker, bool has_token);

/// Uses one transport at a time, and chooses it. look() and send() are for one thread.
class Control {
 public:
  /// Time without the broker after which HTTP is used.
  static constexpr std::chrono::seconds kPatience{5};

  struct Events {
    std::function<void(std::string_view payload)> on_message;  ///< over either transport
    std::function<void(std::string_view task, std::uint32_t index, std::string_view payload)> on_chunk;
    std::function<void()> on_online;   ///< a transport works: unanswered messages may be repeated
    std::function<void()> on_offline;  ///< the broker connection is lost
  };

  /// `token`: the device's token; may be empty.
  Control(const Options& options, const std::string& id, const std::string& token, Events events, Random& random);
  ~Control() { stop(std::chrono::milliseconds(0)); }

  void start();
  /// Changes the transport if that is due; returns the time of the next call.
  Time look(Time now);
  /// `request`, `progress` or `verify`; kept until it is delivered, within a limit.
  void send(std::string_view what, std::string payload);
  bool online() const;
  /// Whether all sent messages are delivered.
  bool delivered() const;
  /// A gateway that the server named, used if may_carry_messages(); the configured one has precedence.
  void learn_gateway(const std::string& origin);

  /// For chunks; any thread.
  bool broker_connected() const { return client_->status().connected; }
  void ask_chunks(std::string payload);
  /// The other transport fails: shortens the current delay before the next connection to the broker.
  void reconnect_now() { client_->reconnect_now(); }

  void stop(std::chrono::milliseconds grace);

 private:
  void receive(std::string_view topic, std::string_view payload);
  void move_to(bool gateway);

  const std::string topic_;
  const std::string broker_;
  const bool has_token_;
  const bool fixed_gateway_;
  bool logged_refusal_ = false;
  const Events events_;
  bool on_gateway_ = false;
  Time away_since_{};
  GatewayChannel gateway_;
  std::unique_ptr<mqtt::Client> client_;
};

}  // namespace ota::agent
