// Files with secrets: read only if no other user has access.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ota/base/result.hpp"
#include "ota/base/settings.hpp"

namespace ota::app {

/// Errc::malformed if there is something else than a regular file: to read it may never end.
Result<void> check_regular(const std::string& what, const std::string& file);

/// The same for the settings' files of certificates.
Result<void> check_certificates(const Settings& settings);

/// Errc::malformed if the file is missing or no regular one, belongs to a user other than root and `owner`, or is accessible to others
/// (with `strict` also to its group). `what`: name of the setting.
Result<void> check_private(const std::string& what, const std::string& file, bool strict = false,
                           uid_t owner = ::geteuid());

/// The first line of the file of `mqtt.password_file`; empty if none is set.
Result<std::string> read_password(const MqttSettings& settings, uid_t owner = ::geteuid());

/// The same for `ddi.gateway_token_file`; Errc::malformed also if it is no fit_secret().
Result<std::string> read_gateway_token(const DdiSettings& settings, uid_t owner = ::geteuid());

/// The keys of download URLs, in `folder`: one a line; the first signs, all are accepted. Created at the first start from
/// 32 bytes of the system's random source, readable only by otad.
Result<std::vector<std::string>> signing_keys(const std::filesystem::path& folder);

/// The same: the key, with which the secrets of webhooks are made.
Result<std::string> webhook_key(const std::filesystem::path& folder);

/// Whether those of both files that are there can be used by `owner`. Creates none.
Result<void> check_keys(const std::filesystem::path& folder, uid_t owner);

}  // namespace ota::app
