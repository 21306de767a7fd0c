// A device's message over either transport: its type, decoded, and handed to the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "device/decode.hpp"
#include "ota/engine/engine.hpp"

namespace ota::device {

/// The last part of the topic or path.
enum class MessageType : std::uint8_t { request, progress, verify };
std::optional<MessageType> parse_message_type(std::string_view text);

using DeviceMessage = std::variant<DeviceRequest, ProgressReport, VerifyReport>;

Decoded<DeviceMessage> decode_message(MessageType type, std::string_view payload);

/// Puts the message into the engine's queue; `reply` is called as for the engine's commands.
void call_engine(engine::Engine& engine, const DeviceId& device, const Credentials& who, DeviceMessage message,
                 engine::Reply reply);

}  // namespace ota::device
