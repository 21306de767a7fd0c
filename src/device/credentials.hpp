// How a device proves over HTTP who it is (protocol.md, The same over HTTP).
#pragma once

#include <string_view>

#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/http/message.hpp"

namespace ota::device {

/// What a token says of who sent it; nothing where it is empty.
Credentials token_credentials(std::string_view token);

/// What the request's headers and its connection prove, beside what the message itself carried. The header's token
/// goes before the message's.
Credentials http_credentials(const http::Request& request, const DeviceId& device, Credentials message);

}  // namespace ota::device
