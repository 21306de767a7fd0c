// The time zone of the system.
#pragma once

#include <filesystem>
#include <string>

namespace ota::agent {

/// The IANA name that the link `etc/localtime` points to, else the first line of `etc/timezone`; empty where neither is
/// a name.
std::string system_timezone(const std::filesystem::path& etc = "/etc");

}  // namespace ota::agent
