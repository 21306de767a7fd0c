// A device's conversation with the server: over MQTT, and over HTTP while the broker can't be reached.
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

/// Whether messages may go to a gateway that only the server named, `http://gw:8080`. They carry the device's secret:
/// where it has one, only over https and to the host of `broker` (`ssl://gw:8883`), which the device's owner named. Nor
/// is a gateway without TLS taken beside a broker with it.
bool may_carry_messages(std::string_view gateway, std::string_view broker, bool has_token);

/// One way at a time; which one is nobody's business but this class's. look() and send() are for one thread.
class Control {
 public:
  /// How long the broker may be away before HTTP takes its place.
  static constexpr std::chrono::seconds kPatience{5};

  struct Events {
    std::function<void(std::string_view payload)> on_message;  ///< either way
    std::function<void(std::string_view task, std::uint32_t index, std::string_view payload)> on_chunk;
    std::function<void()> on_online;   ///< a way was found: what waits for an answer may be asked again
    std::function<void()> on_offline;  ///< the broker went
  };

  /// `token` is the device's secret; may be empty.
  Control(const Options& options, const std::string& id, const std::string& token, Events events, Random& random);
  ~Control() { stop(std::chrono::milliseconds(0)); }

  void start();
  /// Changes over where that is due; answers when to look again.
  Time look(Time now);
  /// `request`, `progress` or `verify`; kept until it is delivered, as far as there is room.
  void send(std::string_view what, std::string payload);
  bool online() const;
  /// Whether all that was sent has arrived.
  bool delivered() const;
  /// A gateway that the server named, taken where may_carry_messages(); the options' own goes before it.
  void learn_gateway(const std::string& origin);

  /// For chunks; any thread.
  bool broker_connected() const { return client_->status().connected; }
  void ask_chunks(std::string payload);
  /// The other way fails: the broker is tried again soon, whatever wait it is in.
  void reconnect_now() { client_->reconnect_now(); }

  void stop(std::chrono::milliseconds grace);

 private:
  void heard(std::string_view topic, std::string_view payload);
  void move_to(bool gateway);

  const std::string topic_;
  const std::string broker_;
  const bool has_token_;
  const bool fixed_gateway_;
  bool told_refused_ = false;
  const Events events_;
  bool on_gateway_ = false;
  Time away_since_{};
  GatewayChannel gateway_;
  std::unique_ptr<mqtt::Client> client_;
};

}  // namespace ota::agent
