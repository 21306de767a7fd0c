// Log lines for each message from and to a device, with log.level = "debug".
#pragma once

#include <cstddef>
#include <string_view>

namespace ota::device {

/// One line at level debug: `received` or `sent`, device, transport, topic or path, bytes. Not the content,
/// because it may contain the device's token.
void log_message(std::string_view direction, std::string_view transport, std::string_view device,
                 std::string_view topic, std::size_t bytes);

}  // namespace ota::device
