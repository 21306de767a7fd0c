// What the listen addresses mean for others.
#pragma once

#include <string>
#include <string_view>

#include "ota/base/settings.hpp"

namespace ota::app {

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`: nobody outside this machine reaches it.
bool is_loopback(std::string_view address);

/// What devices are told to download from: the setting, else the address with this machine's name where it is any.
std::string public_url(const HttpSettings& settings, std::string_view bound);

/// security.api_auth, resolved: `auto` asks for keys unless every operators' listener is loopback.
bool auth_required(const Settings& settings);

}  // namespace ota::app
