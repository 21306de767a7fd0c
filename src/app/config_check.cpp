#include "app/config_check.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string>

#include "app/secrets.hpp"
#include "ota/domain/rollout.hpp"
#include "ota/firmware/signature.hpp"
#include "ota/http/server.hpp"

namespace ota::app {
namespace {

namespace fs = std::filesystem;

/// Errc::malformed if `owner` can't write to a file or folder. Checked only by root, for `owner`, and by the owner of the
/// file: others don't know the groups of the daemon's user.
Result<void> check_writable(const char* what, const std::string& path, const struct stat& status, uid_t owner) {
  const bool folder = S_ISDIR(status.st_mode);
  const bool knows_access = ::geteuid() == 0 || status.st_uid == ::geteuid();
  const mode_t own = folder ? S_IWUSR | S_IXUSR : S_IWUSR;
  const mode_t others = folder ? S_IWOTH | S_IXOTH : S_IWOTH;
  const mode_t needed = status.st_uid == owner ? own : others;
  const bool by_group = status.st_uid != owner && (status.st_mode & S_IWGRP) != 0;
  if (owner == 0 || !knows_access || by_group || (status.st_mode & needed) == needed) return {};
  return fail(Errc::malformed, fmt::format("{}: user {} can't write to the {} {} (mode {:04o}, owner {})", what, owner,
                                           folder ? "folder" : "file", path, status.st_mode & 07777, status.st_uid));
}

/// Whether only another name, or other rights, would help: then waiting doesn't.
bool is_wrong_name(int number) {
  constexpr std::array kNumbers{ENOENT, ENOTDIR, EEXIST, EACCES, EPERM, EROFS, ENAMETOOLONG, ELOOP, EINVAL};
  return std::find(kNumbers.begin(), kNumbers.end(), number) != kNumbers.end();
}

/// Errc::malformed if otad can't create or write to `folder`.
Result<void> check_folder(const char* what, const fs::path& folder, uid_t owner) {
  std::error_code error;
  auto at = fs::absolute(folder.empty() ? "." : folder, error).lexically_normal();
  struct stat status {};
  while (::stat(at.c_str(), &status) != 0 && at.has_relative_path()) at = at.parent_path();
  if (S_ISDIR(status.st_mode)) return check_writable(what, at.string(), status, owner);
  return fail(Errc::malformed, fmt::format("{}: the folder {} can't be created, because {} is not a folder", what,
                                           folder.string(), at.string()));
}

Result<void> check_database(const fs::path& database, uid_t owner) {
  constexpr auto kWhat = "storage.database";
  struct stat status {};
  if (::stat(database.c_str(), &status) != 0) return check_folder(kWhat, database.parent_path(), owner);
  if (S_ISDIR(status.st_mode))
    return fail(Errc::malformed, fmt::format("{0}: {1} is a folder; name a file in it, such as {2}", kWhat,
                                             database.string(), (database / "otad.db").string()));
  if (!S_ISREG(status.st_mode))
    return fail(Errc::malformed, fmt::format("{}: {} is no ordinary file", kWhat, database.string()));
  if (auto writable = check_writable(kWhat, database.string(), status, owner); !writable) return writable;
  return check_folder(kWhat, database.parent_path(), owner);
}

/// Its folder isn't created at the start.
Result<void> check_log(const fs::path& file, uid_t owner) {
  constexpr auto kWhat = "log.file";
  if (file.empty()) return {};
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode))
      return fail(Errc::malformed, fmt::format("{}: {} is a folder; name a file in it", kWhat, file.string()));
    return S_ISREG(status.st_mode) ? check_writable(kWhat, file.string(), status, owner) : Result<void>();
  }
  const auto folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
    return check_writable(kWhat, folder.string(), status, owner);
  return fail(Errc::malformed, fmt::format("{}: {} is no folder that otad can write to; create it, or name another file",
                                           kWhat, folder.string()));
}

Result<void> check_secrets(const Settings& settings, uid_t owner) {
  if (auto password = read_password(settings.mqtt, owner); !password) return password.error();
  if (auto token = read_gateway_token(settings.ddi, owner); !token) return token.error();
  if (!settings.mqtt.key_file.empty()) {
    if (auto checked = check_private("mqtt.key_file", settings.mqtt.key_file, false, owner); !checked) return checked;
  }
  return check_keys(fs::path(settings.storage.database).parent_path(), owner);
}

Result<void> check_tls_files(const HttpSettings& http, uid_t owner) {
  if (http.tls_cert.empty()) return {};
  if (auto checked = check_private("http.tls_key", http.tls_key, false, owner); !checked) return checked;
  return http::check_tls({http.tls_cert, http.tls_key, http.tls_client_ca});
}

/// The place in the file or the variable that set it.
std::string place_of(const Settings& settings, std::string_view key) {
  const auto at = settings.origins.find(key);
  if (at == settings.origins.end()) return "defaults";
  const bool variable = at->second.source == SettingSource::environment;
  return (variable ? "environment variable " : "") + at->second.place;
}

Result<void> check_stages(const Settings& settings) {
  RolloutSpec spec;
  for (const auto& text : settings.rollouts.stages)
    if (const auto share = Share::parse(text)) spec.stages.emplace_back().to = *share;
  auto checked = check_and_complete(spec);
  if (checked) return {};
  auto error = checked.error();
  for (auto& fault : error.fields)
    fault.message =
        fmt::format("{}: rollouts.{} {}", place_of(settings, "rollouts.stages"), fault.field, fault.message);
  error.message = error.fields.front().message;
  return error;
}

}  // namespace

Result<Settings> read_settings(const std::string& file) {
  auto settings = load_settings(file, process_environment());
  if (!settings) return settings;
  if (auto stages = check_stages(*settings); !stages) return stages.error();
  return settings;
}

Result<void> check_files(const Settings& settings, uid_t owner) {
  if (auto regular = check_certificates(settings); !regular) return regular;
  if (auto secrets = check_secrets(settings, owner); !secrets) return secrets;
  if (auto usable = check_tls_files(settings.http, owner); !usable)
    return fail(Errc::malformed, usable.error().message);
  if (auto trusted = firmware::TrustedKeys::load(settings.security.trusted_keys_dir); !trusted)
    return fail(Errc::malformed, trusted.error().message);
  if (auto log = check_log(settings.log.file, owner); !log) return log;
  if (auto database = check_database(settings.storage.database, owner); !database) return database;
  return check_folder("storage.firmware_dir", settings.storage.firmware_dir, owner);
}

Result<void> ready_folder(const char* setting, const fs::path& folder) {
  if (folder.empty()) return {};
  std::error_code error;
  fs::create_directories(folder, error);
  const auto* fault = "created";
  if (!error && ::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    error.assign(errno, std::generic_category());
    fault = "written to";
  }
  if (!error) return {};
  return fail(is_wrong_name(error.value()) ? Errc::malformed : Errc::server_fault,
              fmt::format("{}: the folder {} can't be {}: {}; name another, or make it for the user that otad runs as",
                          setting, folder.string(), fault, error.message()));
}

uid_t user_of_daemon(const Settings& settings) {
  struct stat folder {};
  const auto path = std::filesystem::path(settings.storage.database).parent_path();
  const bool root = ::geteuid() == 0;
  return root && ::stat(path.empty() ? "." : path.c_str(), &folder) == 0 ? folder.st_uid : ::geteuid();
}

}  // namespace ota::app
