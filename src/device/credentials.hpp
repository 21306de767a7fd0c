// Authentication of devices over HTTP (docs/device-protocol.md, The same over HTTP).
#pragma once

#include <string_view>

#include "ota/domain/ids.hpp"
#include "ota/domain/messages.hpp"
#include "ota/http/message.hpp"

namespace ota::device {

/// The credentials from a token; nothing if it is empty.
Credentials token_credentials(std::string_view token);

/// The credentials of the request's headers and its connection, in addition to those in the message. The token of the
/// header has precedence over that of the message.
Credentials http_credentials(const http::Request& request, const DeviceId& device, Credentials message);

}  // namespace ota::device
