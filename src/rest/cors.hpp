// Calls of pages on other origins (Fetch standard, CORS protocol): http.cors_origins.
#pragma once

#include <string>
#include <vector>

#include "ota/http/message.hpp"

namespace ota::rest {

/// Whether a browser asks whether a page may make a call. It sends no key with that.
bool is_preflight(const http::Request& request);

/// The answer to a preflight, 204. Precondition: the page's origin may call.
http::Reply preflight_reply();

/// Lets the page that called read the reply, if its origin is one of these.
void add_cors(http::Reply& reply, const http::Request& request, const std::vector<std::string>& origins);

}  // namespace ota::rest
