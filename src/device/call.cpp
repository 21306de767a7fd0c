#include "device/call.hpp"

#include <type_traits>
#include <utility>

namespace ota::device {
namespace {

template <class Message>
Decoded<DeviceMessage> widen(Decoded<Message> decoded) {
  if (!decoded.message) return {decoded.message.error(), decoded.who, decoded.task};
  return {DeviceMessage(std::move(*decoded.message)), decoded.who, decoded.task};
}

}  // namespace

std::optional<MessageType> parse_message_type(std::string_view text) {
  if (text == "request") return MessageType::request;
  if (text == "progress") return MessageType::progress;
  if (text == "verify") return MessageType::verify;
  return std::nullopt;
}

Decoded<DeviceMessage> decode_message(MessageType type, std::string_view payload) {
  if (type == MessageType::request) return widen(decode_request(payload));
  if (type == MessageType::progress) return widen(decode_progress(payload));
  return widen(decode_verify(payload));
}

void call_engine(engine::Engine& engine, const DeviceId& device, const Credentials& who, DeviceMessage message,
                 engine::Reply reply) {
  std::visit(
      [&](auto&& one) {
        using Message = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Message, DeviceRequest>)
          engine.request(device, who, std::forward<decltype(one)>(one), std::move(reply));
        else if constexpr (std::is_same_v<Message, ProgressReport>)
          engine.progress(device, who, std::forward<decltype(one)>(one), std::move(reply));
        else
          engine.verify(device, who, std::forward<decltype(one)>(one), std::move(reply));
      },
      std::move(message));
}

}  // namespace ota::device
