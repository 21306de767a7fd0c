// What the listen addresses mean for others.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/settings.hpp"
#include "ota/http/host_names.hpp"

namespace ota::app {

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`: nobody outside this machine reaches it.
bool is_loopback(std::string_view address);

/// The address that a setting means: `localhost` is 127.0.0.1 (RFC 6761, 6.3).
std::string listen_address(const std::string& setting);

/// What devices are told to download from: the setting, else the address with this machine's name where it is any.
std::string public_url(const HttpSettings& settings, std::string_view bound);

/// What is wrong with that for devices elsewhere, and what to do; nothing where it may do. `url` as public_url() made
/// it.
std::optional<std::string> doubt_of_public_url(const HttpSettings& settings, std::string_view url);

/// What stands in front of the paths of http.public_url: `/ota` of `https://gw/ota`; mostly empty.
std::string public_path(const HttpSettings& settings);

/// Every name that requests may be for: of the settings, of the listen addresses, of this machine.
std::shared_ptr<const http::HostNames> host_names(const HttpSettings& settings);

/// security.api_auth, resolved: `auto` asks for keys unless every operators' listener is loopback.
bool auth_required(const Settings& settings);

}  // namespace ota::app
