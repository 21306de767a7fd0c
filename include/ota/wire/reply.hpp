// HTTP replies for devices and operators.
#pragma once

#include <string>

#include "ota/http/message.hpp"

namespace ota::wire {

/// Precondition: `body` is complete JSON. The reply forbids caching.
http::Reply json_reply(unsigned status, std::string body);

/// 204.
http::Reply no_content_reply();

}  // namespace ota::wire
