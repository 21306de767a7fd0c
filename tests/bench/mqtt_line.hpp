// The load generator's own MQTT 3.1.1 client (OASIS, 2014): one socket, no library, so that it takes little CPU of the
// machine that it measures.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace ota::bench {

/// One connection to a broker on loopback, with TCP_NODELAY. One thread. Ends the program with a message on a fault.
class MqttLine {
 public:
  using OnMessage = std::function<void(std::string_view topic, std::string_view payload)>;

  MqttLine(std::uint16_t port, const std::string& client_id);
  ~MqttLine();
  MqttLine(const MqttLine&) = delete;
  MqttLine& operator=(const MqttLine&) = delete;

  /// Waits until the broker has answered.
  void subscribe(const std::vector<std::string>& filters);
  /// QoS 1; leaves with the next receive().
  void publish(std::string_view topic, std::string_view payload);
  /// Sends what was published, waits for the next bytes and hands on the messages among them, each acknowledged.
  void receive(const OnMessage& on_message);

 private:
  void put_packet(std::uint8_t type, std::string_view body);
  void put_length(std::size_t length);
  void flush();
  void fill();
  /// The next whole packet; false where there is none yet.
  bool take(std::uint8_t& type, std::string_view& body);
  void await(std::uint8_t wanted);

  int socket_ = -1;
  std::string out_;
  std::string in_;
  std::size_t read_ = 0;  // of in_
  std::uint16_t last_id_ = 0;
};

}  // namespace ota::bench
