#include "device/message_log.hpp"

#include <fmt/format.h>

#include "ota/base/log.hpp"

namespace ota::device {

void log_message(std::string_view direction, std::string_view transport, std::string_view device,
                 std::string_view topic, std::size_t bytes) {
  if (!log::enabled(log::Level::debug)) return;
  log::debug(fmt::format("{} device={} over {}: {}, {} bytes", direction, device, transport, topic, bytes));
}

}  // namespace ota::device
