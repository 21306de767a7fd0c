// The token of a request.
#pragma once

#include <string_view>

namespace ota::wire {

/// The token of `Authorization: Bearer …` (RFC 6750, 2.1), a view into it; empty if there is none.
std::string_view bearer_token(std::string_view authorization);

}  // namespace ota::wire
