// What both devices and operators are answered.
#pragma once

#include <string>

#include "ota/http/message.hpp"

namespace ota::wire {

/// `body` is whole JSON. No cache may keep it.
http::Reply json_reply(unsigned status, std::string body);

}  // namespace ota::wire
