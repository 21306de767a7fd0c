#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>

#include "app/commands.hpp"
#include "app/instance_lock.hpp"
#include "ota/base/clock.hpp"
#include "ota/domain/ids.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/storage/backend.hpp"

namespace ota::app {
namespace {

constexpr std::size_t kKeyBytes = 32;

/// The daemon could not write to a database that another user created.
bool may_make(const std::filesystem::path& database) {
  struct stat folder {};
  const auto parent = database.has_parent_path() ? database.parent_path() : std::filesystem::path(".");
  return ::stat(parent.c_str(), &folder) != 0 || folder.st_uid == ::geteuid();
}

std::string user_name() {
  const auto* user = ::getpwuid(::getuid());
  return user ? user->pw_name : std::to_string(::getuid());
}

/// The audit entry of a change is written in its transaction.
void audit(storage::Database& db, const char* action, const std::string& name) {
  AuditEntry entry;
  entry.at = SystemClock().wall();
  entry.caller = Caller(fmt::format("otad keys, user {}", user_name()), "this machine");
  entry.action = action;
  entry.target = name;
  entry.outcome = "done";
  db.audit_log().add(entry);
}

/// Opens the database, beside a running daemon or not. Precondition for creating a new one: no daemon runs.
Result<std::unique_ptr<storage::Database>> open_database(storage::Backend& storage, const std::string& path,
                                                         storage::Mode mode, File& lock) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return storage.open(mode);
  if (error) return fail(Errc::server_fault, fmt::format("the database {}: {}", path, error.message()));
  if (mode == storage::Mode::reader) return fail(Errc::not_found, fmt::format("there is no database {} yet", path));
  if (!may_make(path))
    return fail(Errc::server_fault,
                fmt::format("there is no database {} yet: start the daemon first, or run this as the "
                            "user that it runs as",
                            path));
  auto taken = lock_database(path);
  if (!taken) return taken.error();
  lock = std::move(*taken);
  return storage.open(storage::Mode::writer);
}

/// Runs `work` in one transaction; a successful `action` on the key is recorded in the audit log.
int with_keys(const Settings& settings, storage::Mode mode, const std::function<int(storage::ApiKeys&)>& work,
              const char* action = nullptr, const std::string& name = {}) {
  const auto& path = settings.storage.database;
  File lock;
  const auto storage = storage::make_backend(settings.storage);
  auto db = open_database(*storage, path, mode, lock);
  if (!db) return complain(db.error().message);
  try {
    (*db)->begin();
    const int status = work((*db)->api_keys());
    if (mode == storage::Mode::editor && status == kStopped) {
      audit(**db, action, name);
      (*db)->commit();
    } else {
      (*db)->rollback();
    }
    return status;
  } catch (const storage::Fault& fault) {
    return complain(fmt::format("the database {}: {}", path, fault.what()));
  }
}

}  // namespace

int add_key(const Settings& settings, const Arguments& arguments) {
  if (arguments.name.empty() || !valid_hardware(arguments.name))
    return complain("--name must be 1 to 64 of A-Z a-z 0-9 _ . : @ -", kBadSettings);
  const auto secret = "otad_" + firmware::base64url(firmware::random_bytes(kKeyBytes));
  ApiKey key;
  key.name = arguments.name;
  key.role = parse_role(arguments.role).value_or(Role::viewer);
  key.secret = firmware::sha256(secret);
  key.created = SystemClock().wall();
  const auto add = [&](storage::ApiKeys& keys) {
    if (keys.add(key)) return kStopped;
    return complain(fmt::format("there is a key named {} already: remove it first, or take another name", key.name));
  };
  const int status = with_keys(settings, storage::Mode::editor, add, "key.add", key.name);
  if (status != kStopped) return status;
  std::cerr << fmt::format("The key of {} ({}). It is shown only once; send it as \"Authorization: Bearer <key>\".\n",
                           key.name, arguments.role);
  std::cout << secret << std::endl;
  return kStopped;
}

int list_keys(const Settings& settings) {
  return with_keys(settings, storage::Mode::reader, [](storage::ApiKeys& keys) {
    const auto row = [](std::string_view name, std::string_view role, std::string_view made, std::string_view used) {
      std::cout << fmt::format("{:<32} {:<9} {:<21} {}\n", name, role, made, used);
    };
    row("NAME", "ROLE", "CREATED", "LAST USED");
    for (const auto& key : keys.all())
      row(key.name, to_string(key.role), to_rfc3339(key.created),
          key.last_used ? to_rfc3339(*key.last_used) : "never");
    return kStopped;
  });
}

int remove_key(const Settings& settings, const Arguments& arguments) {
  const auto remove = [&](storage::ApiKeys& keys) {
    if (keys.remove(arguments.name)) return kStopped;
    return complain(fmt::format("there is no key named {}; \"otad keys list\" shows all", arguments.name));
  };
  return with_keys(settings, storage::Mode::editor, remove, "key.remove", arguments.name);
}

}  // namespace ota::app
