#include "engine/key_commands.hpp"

#include <fmt/format.h>

#include "engine/orders.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {
namespace {

Error no_such_key(const std::string& name) {
  return fail(Errc::not_found, fmt::format("there is no key named {}: GET /keys lists all", name));
}

Result<ApiKey> on_put_key(TaskService& service, const KeyChange& change) {
  auto there = service.rows.api_keys.find(change.name);
  const bool add = change.what == KeyChange::What::add;
  if (add && there)
    return fail(Errc::in_use, fmt::format("there is a key named {} already: rotate or remove it, or take another name",
                                          change.name));
  if (!add && !there) return no_such_key(change.name);
  auto key = there.value_or(ApiKey{change.name, {}, {}, service.wall(), {}});
  if (change.role) key.role = *change.role;
  if (change.scope) key.scope = *change.scope;
  if (change.expires) key.expires = *change.expires;
  if (change.what == KeyChange::What::rotate)
    key.former = change.grace > Millis{0} ? std::optional(ApiKey::Former{key.secret, service.wall() + change.grace})
                                          : std::nullopt;
  if (change.secret) key.secret = *change.secret;
  if (add)
    service.rows.api_keys.add(key);
  else
    service.rows.api_keys.update(key);
  return key;
}

Result<void> on_remove_key(TaskService& service, const std::string& name) {
  if (!service.rows.api_keys.remove(name)) return no_such_key(name);
  return {};
}

/// In the audit log.
const char* action_of(KeyChange::What what) {
  switch (what) {
    case KeyChange::What::add:
      return "key.add";
    case KeyChange::What::rotate:
      return "key.rotate";
    case KeyChange::What::change:
      break;
  }
  return "key.change";
}

}  // namespace

void KeyCommands::put_key(KeyChange change, Caller caller, Done<ApiKey> done) {
  auto target = change.name;
  const auto* const action = action_of(change.what);
  order_by<ApiKey>(loop_, std::move(done), caller, action, std::move(target), {},
                   [change = std::move(change)](TaskService& service) { return on_put_key(service, change); });
}

void KeyCommands::remove_key(std::string name, Caller caller, Done<void> done) {
  auto target = name;
  order_by<void>(loop_, std::move(done), caller, "key.remove", std::move(target), {},
                 [name = std::move(name)](TaskService& service) { return on_remove_key(service, name); });
}

void KeyCommands::key_used(std::string name) {
  loop_.later([name = std::move(name)](TaskService& service) { service.rows.api_keys.used(name, service.wall()); });
}

}  // namespace ota::engine
