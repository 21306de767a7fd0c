// Devices over MQTT: messages in, answers out (docs/device-protocol.md, Messages).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/context.hpp"
#include "device/decode.hpp"

namespace ota::device {

/// Thread-safe; never blocks. Unknown topics are ignored. A malformed message is counted, logged and answered with
/// `error`. If the engine's queue is full there is no answer, because the device repeats its message.
class MqttTransport {
 public:
  explicit MqttTransport(Context& context) : context_(context) {}

  std::vector<std::string> subscriptions() const;
  void on_message(std::string_view topic, std::string_view payload);
  void on_oversized(std::string_view topic, std::size_t size);
  void on_retained(std::string_view topic);
  void on_dropped(std::string_view topic, std::string_view payload, const std::string& why) const;

 private:
  struct Address {
    DeviceId device;
    const MessageType* type = nullptr;  ///< null: `chunk/get`
  };
  std::optional<Address> parse_topic(std::string_view topic);
  void on_chunk_get(const DeviceId& device, std::string_view payload);
  /// The error that the device gets instead of chunks; nothing if they are sent.
  std::optional<Answer> send_chunks(const DeviceId& device, const ChunkRequest& request,
                                    const Result<engine::ChunkAccess>& access);
  void refuse(const DeviceId& device, const std::optional<TaskId>& task, Error error);
  /// For a device over its message rate: one `error` a second, further messages are only counted.
  void drop(const DeviceId& device, const std::optional<TaskId>& task, Error error);
  /// The engine's answer, or an error if there were too many failed authentications.
  void judge(const DeviceId& device, const Credentials& who, const std::optional<TaskId>& task,
             const std::optional<Answer>& reply);
  void answer(const DeviceId& device, const std::optional<Answer>& answer);

  Context& context_;
};

}  // namespace ota::device
