#include "api/device_call.hpp"

#include <type_traits>
#include <utility>

namespace ota::api {
namespace {

template <class Message>
Decoded<DeviceMessage> widen(Decoded<Message> decoded) {
  if (!decoded.message) return {decoded.message.error(), decoded.who, decoded.task};
  return {DeviceMessage(std::move(*decoded.message)), decoded.who, decoded.task};
}

}  // namespace

std::optional<DeviceWord> parse_device_word(std::string_view text) {
  if (text == "request") return DeviceWord::request;
  if (text == "progress") return DeviceWord::progress;
  if (text == "verify") return DeviceWord::verify;
  return std::nullopt;
}

Decoded<DeviceMessage> decode_message(DeviceWord word, std::string_view payload) {
  if (word == DeviceWord::request) return widen(decode_request(payload));
  if (word == DeviceWord::progress) return widen(decode_progress(payload));
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

}  // namespace ota::api
