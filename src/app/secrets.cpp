#include "app/secrets.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

#include "ota/base/file.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kShortestSecret = 32;  ///< characters
constexpr std::size_t kLongestFile = 64 * 1024;

Error system_error(const std::string& what, const std::string& file) {
  return fail(Errc::malformed, fmt::format("{}: {}: {}", what, file, std::strerror(errno)));
}

Result<std::vector<std::string>> lines_of(const std::string& what, const std::string& file) {
  const auto text = read_file(file, kLongestFile);
  if (!text && text.error().code == Errc::too_large)
    return fail(Errc::malformed, fmt::format("{}: {} is too long for a secret", what, file));
  if (!text) return fail(Errc::malformed, fmt::format("{}: {}", what, text.error().message));
  std::istringstream in(*text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(std::move(line));
  }
  return lines;
}

/// Of a file with a secret; empty if `file` is.
Result<std::string> first_line(const std::string& what, const std::string& file, uid_t owner) {
  if (file.empty()) return std::string{};
  if (auto checked = check_private(what, file, false, owner); !checked) return checked.error();
  auto lines = lines_of(what, file);
  if (!lines) return lines.error();
  if (lines->empty() || lines->front().empty())
    return fail(Errc::malformed, fmt::format("{}: the first line of {} is empty", what, file));
  return std::move(lines->front());
}

Result<void> write_new_key(const char* what, const fs::path& file) {
  const auto written = write_durably(file, to_hex(firmware::random_bytes(kSecretBytes)) + "\n", 0600);
  if (written) return {};
  return fail(Errc::server_fault, fmt::format("{} can't be written: {}", what, written.error().message));
}

/// A file of keys that otad makes itself.
struct KeyFile {
  const char* what;
  const char* name;  ///< beside the database
};
constexpr KeyFile kSigningKeys{"the signing key of download URLs", "download.key"};
constexpr KeyFile kWebhookKey{"the key of webhooks' secrets", "webhook.key"};

/// As they are.
Result<std::vector<std::string>> read_keys(const KeyFile& keys_file, const fs::path& folder, uid_t owner) {
  const auto file = (folder / keys_file.name).string();
  const auto* what = keys_file.what;
  if (auto checked = check_private(what, file, true, owner); !checked) return checked.error();
  auto lines = lines_of(what, file);
  if (!lines) return lines.error();
  std::vector<std::string> keys;
  for (std::size_t number = 1; auto& line : *lines) {
    if (!line.empty() && line.size() < kShortestSecret) {
      return fail(Errc::malformed, fmt::format("{}: line {} of {} is too short: {} characters at least", what, number,
                                               file, kShortestSecret));
    }
    if (!line.empty()) keys.push_back(std::move(line));
    ++number;
  }
  if (keys.empty())
    return fail(Errc::malformed, fmt::format("{}: {} is empty; remove it, and a new one is created", what, file));
  return keys;
}

Result<std::vector<std::string>> keys_of(const KeyFile& keys_file, const fs::path& folder) {
  const auto file = folder / keys_file.name;
  if (!fs::exists(file)) {
    if (auto made = write_new_key(keys_file.what, file); !made) return made.error();
  }
  return read_keys(keys_file, folder, ::geteuid());
}

}  // namespace

Result<void> check_regular(const std::string& what, const std::string& file) {
  if (!is_special(file)) return {};
  return fail(Errc::malformed, fmt::format("{}: {} is no regular file", what, file));
}

Result<void> check_private(const std::string& what, const std::string& file, bool strict, uid_t owner) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return system_error(what, file);
  if (auto regular = check_regular(what, file); !regular) return regular;
  if (status.st_uid != 0 && status.st_uid != owner)
    return fail(Errc::malformed,
                fmt::format("{0}: {1} holds a secret and belongs to another user ({2}), who may read and change it: "
                            "chown {3} {1}",
                            what, file, status.st_uid, owner));
  const mode_t open_to = status.st_mode & (strict ? 0077 : 0007);
  if (open_to == 0) return {};
  return fail(Errc::malformed, fmt::format("{}: {} holds a secret and is open to others (mode {:04o}): chmod {} {}",
                                           what, file, status.st_mode & 07777, strict ? "600" : "o-rwx", file));
}

Result<std::string> read_password(const MqttSettings& settings, uid_t owner) {
  return first_line("mqtt.password_file", settings.password_file, owner);
}

Result<std::string> read_gateway_token(const DdiSettings& settings, uid_t owner) {
  auto token = first_line("ddi.gateway_token_file", settings.gateway_token_file, owner);
  if (token && !token->empty() && !fit_secret(*token))
    return fail(Errc::malformed, fmt::format("ddi.gateway_token_file: the token in {} must have 16 to 128 visible "
                                             "characters of ASCII, no blanks",
                                             settings.gateway_token_file));
  return token;
}

Result<std::vector<std::string>> signing_keys(const fs::path& folder) { return keys_of(kSigningKeys, folder); }

Result<std::string> webhook_key(const fs::path& folder) {
  auto keys = keys_of(kWebhookKey, folder);
  if (!keys) return keys.error();
  return std::move(keys->front());
}

Result<void> check_certificates(const Settings& settings) {
  const std::pair<const char*, const std::string&> files[] = {{"mqtt.ca_file", settings.mqtt.ca_file},
                                                              {"mqtt.cert_file", settings.mqtt.cert_file},
                                                              {"http.tls_cert", settings.http.tls_cert},
                                                              {"http.tls_client_ca", settings.http.tls_client_ca}};
  for (const auto& [what, file] : files)
    if (auto regular = check_regular(what, file); !regular) return regular;
  return {};
}

Result<void> check_keys(const fs::path& folder, uid_t owner) {
  std::error_code unknown;
  for (const auto& file : {kSigningKeys, kWebhookKey}) {
    if (!fs::exists(folder / file.name, unknown)) continue;
    if (auto keys = read_keys(file, folder, owner); !keys) return keys.error();
  }
  return {};
}

}  // namespace ota::app
