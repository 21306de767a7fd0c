// config/mosquitto/otad-secure.conf and otad.acl, built into the program.
#pragma once

#include <string_view>

namespace ota::setup {

extern const std::string_view kSecureConfiguration;
extern const std::string_view kSecureAccessList;

}  // namespace ota::setup
