// The addresses by which others reach this server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/settings.hpp"
#include "ota/http/host_names.hpp"

namespace ota::app {

/// The name of this machine; empty if it has none.
std::string host_name();

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`: reachable from this machine only.
bool is_loopback(std::string_view address);

/// The address that a setting means: `localhost` is 127.0.0.1 (RFC 6761, 6.3).
std::string listen_address(const std::string& setting);

/// Base URL of downloads: the setting, else the listen address, with this machine's name if it listens on any address.
std::string public_url(const HttpSettings& settings, std::string_view bound);

/// Why remote devices can't use that URL, and what to do; nothing if they can. `url`: the result of public_url().
std::optional<std::string> doubt_of_public_url(const HttpSettings& settings, std::string_view url);

/// The path of http.public_url: `/ota` of `https://gw/ota`; usually empty.
std::string public_path(const HttpSettings& settings);

/// All host names of this server: from the settings, the listen addresses and the machine.
std::shared_ptr<const http::HostNames> host_names(const HttpSettings& settings);

/// security.api_auth, resolved: `auto` asks for keys unless every operators' listener is loopback.
bool auth_required(const Settings& settings);

}  // namespace ota::app
