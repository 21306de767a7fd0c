// log.level = "debug" logs each message of a device, and each to it.
#pragma once

#include <cstddef>
#include <string_view>

namespace ota::device {

/// One line at level debug: `received` or `sent`, device, transport, topic or path, bytes. Nothing of the content,
/// which may hold the device's token.
void log_message(std::string_view direction, std::string_view transport, std::string_view device,
                 std::string_view topic, std::size_t bytes);

}  // namespace ota::device
