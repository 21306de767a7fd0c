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
Result<void> with_keys(const Settings& settings, storage::Mode mode,
                       const std::function<Result<void>(storage::ApiKeys&)>& work, const char* action = nullptr,
                       const std::string& name = {}) {
  const auto& path = settings.storage.database;
  File lock;
  const auto storage = storage::make_backend(settings.storage);
  auto db = open_database(*storage, path, mode, lock);
  if (!db) return db.error();
  try {
    (*db)->begin();
    const auto done = work((*db)->api_keys());
    if (mode == storage::Mode::editor && done) {
      audit(**db, action, name);
      (*db)->commit();
    } else {
      (*db)->rollback();
    }
    return done;
  } catch (const storage::Fault& fault) {
    return fail(Errc::server_fault, fmt::format("the database {}: {}", path, fault.what()));
  }
}

}  // namespace

Result<std::string> make_key(const Settings& settings, const std::string& name, Role role) {
  const auto secret = "otad_" + firmware::base64url(firmware::random_bytes(kKeyBytes));
  ApiKey key;
  key.name = name;
  key.role = role;
  key.secret = firmware::sha256(secret);
  key.created = SystemClock().wall();
  const auto add = [&](storage::ApiKeys& keys) -> Result<void> {
    if (keys.add(key)) return {};
    return fail(Errc::in_use,
                fmt::format("there is a key named {} already: remove it first, or take another name", name));
  };
  if (auto added = with_keys(settings, storage::Mode::editor, add, "key.add", name); !added) return added.error();
  return secret;
}

Result<void> drop_key(const Settings& settings, const std::string& name) {
  const auto remove = [&](storage::ApiKeys& keys) -> Result<void> {
    if (keys.remove(name)) return {};
    return fail(Errc::not_found, fmt::format("there is no key named {}; \"otad keys list\" shows all", name));
  };
  return with_keys(settings, storage::Mode::editor, remove, "key.remove", name);
}

bool has_key(const Settings& settings, const std::string& name) {
  bool found = false;
  const auto look = [&](storage::ApiKeys& keys) -> Result<void> {
    for (const auto& key : keys.all()) found |= key.name == name;
    return {};
  };
  return with_keys(settings, storage::Mode::reader, look).has_value() && found;
}

int add_key(const Settings& settings, const Arguments& arguments) {
  if (!valid_key_name(arguments.name)) return complain(fmt::format("--name {}", kKeyNameRule), kBadSettings);
  const auto secret = make_key(settings, arguments.name, parse_role(arguments.role).value_or(Role::viewer));
  if (!secret) return complain(secret.error().message);
  std::cerr << fmt::format("The key of {} ({}). It is shown only once; send it as \"Authorization: Bearer <key>\".\n",
                           arguments.name, arguments.role);
  std::cout << *secret << std::endl;
  return kStopped;
}

int list_keys(const Settings& settings) {
  const auto print = [](storage::ApiKeys& keys) -> Result<void> {
    const auto row = [](std::string_view name, std::string_view role, std::string_view made, std::string_view used) {
      std::cout << fmt::format("{:<32} {:<9} {:<21} {}\n", name, role, made, used);
    };
    row("NAME", "ROLE", "CREATED", "LAST USED");
    for (const auto& key : keys.all())
      row(key.name, to_string(key.role), to_rfc3339(key.created),
          key.last_used ? to_rfc3339(*key.last_used) : "never");
    return {};
  };
  const auto printed = with_keys(settings, storage::Mode::reader, print);
  return printed ? kStopped : complain(printed.error().message);
}

int remove_key(const Settings& settings, const Arguments& arguments) {
  const auto removed = drop_key(settings, arguments.name);
  return removed ? kStopped : complain(removed.error().message);
}

}  // namespace ota::app
