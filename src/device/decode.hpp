// Devices' messages, from JSON to values (docs/device-protocol.md, Messages). Unknown fields are ignored, others are
// checked.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "ota/base/result.hpp"
#include "ota/domain/messages.hpp"

namespace ota::device {

inline constexpr std::size_t kMaxDevicePayload = 64 * 1024;
inline constexpr std::size_t kMaxToken = 512;    ///< bytes of a device's token
inline constexpr std::size_t kMaxRanges = 4096;  ///< in one message

template <class Message>
struct Decoded {
  Result<Message> message;
  Credentials who;             ///< from `token`
  std::optional<TaskId> task;  ///< named by the message, also if the message is refused
};

/// A type of message that devices send.
struct MessageType {
  std::string_view name;  ///< the last part of its topic or path
  /// The errors are Errc::bad_message, whose message names the fields, or Errc::bad_chunk_range for an index that no
  /// task can have. An empty payload of a request is an empty object.
  Decoded<DeviceMessage> (*decode)(std::string_view payload);
};
std::span<const MessageType> message_types();
/// Null: there is no such type.
const MessageType* find_message_type(std::string_view name);
/// Errc::bad_chunk_range if only `chunks` is invalid.
Decoded<ChunkRequest> decode_chunk_request(std::string_view payload);

}  // namespace ota::device
