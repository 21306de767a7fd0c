// Maintenance windows as people write them.
#pragma once

#include <string>
#include <string_view>

#include "otactl/json.hpp"

namespace ota::otactl {

/// `[DAYS] FROM-TO [ZONE]`, such as `sat,sun 23:00-04:00 Europe/Berlin`, as the object that PUT /channels takes. Only
/// its parts are told apart; the server judges them. Failure(kUsage) for another number of parts.
Json parse_window(std::string_view text);

/// The same of a list from the server: `sat, sun 23:00-04:00 Europe/Berlin; …`; empty for none.
std::string windows_text(const Json& windows);

}  // namespace ota::otactl
