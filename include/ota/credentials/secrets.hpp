// Random secrets, and how Mosquitto keeps passwords. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ota::credentials {

/// `bytes` random bytes, base64url without padding.
std::string random_text(std::size_t bytes);

/// A password for a client of the broker, as random_text() makes it.
std::string new_password();

/// A line of Mosquitto's password file: PBKDF2-SHA512 with a random salt, as mosquitto_passwd writes it.
std::string mosquitto_line(std::string_view user, std::string_view password);
/// Whether a line of that form is for this user and password.
bool matches(std::string_view line, std::string_view user, std::string_view password);

}  // namespace ota::credentials
