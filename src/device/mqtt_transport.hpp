// Devices over MQTT: topics in, answers out (protocol.md, Messages).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/call.hpp"
#include "device/context.hpp"

namespace ota::device {

/// Thread-safe; never waits. Topics of no device message are ignored. What is malformed is counted, logged and
/// answered with `error`; where the engine's queue is full nothing is answered, since the device repeats itself.
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
    std::string_view word;  ///< what follows the device in the topic; `chunk/get` or a MessageType
  };
  std::optional<Address> parse_topic(std::string_view topic);
  void on_chunk_get(const DeviceId& device, std::string_view payload);
  /// What the device is told in place of chunks; nothing where they come.
  std::optional<Answer> send_chunks(const DeviceId& device, const ChunkRequest& request,
                                    const Result<engine::ChunkAccess>& access);
  void refuse(const DeviceId& device, const std::optional<TaskId>& task, Error error);
  /// For a device that says too much: told so once a second, the rest is only counted.
  void drop(const DeviceId& device, const std::optional<TaskId>& task, Error error);
  /// What the engine said, or that there were too many failures.
  void judge(const DeviceId& device, const Credentials& who, const std::optional<TaskId>& task,
             const std::optional<Answer>& reply);
  void answer(const DeviceId& device, const std::optional<Answer>& answer);

  Context& context_;
};

}  // namespace ota::device
