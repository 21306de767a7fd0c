// HTTP replies for devices and operators.
#pragma once

#include <string>

#include "ota/http/message.hpp"

namespace ota::wire {

/// Precondition: `body` is complete JSON. The reply forbids caching.
http::Reply json_reply(unsigned status, std::string body);

}  // namespace ota::wire
