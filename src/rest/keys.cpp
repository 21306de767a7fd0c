// API keys of operators (docs/rest.md, Keys).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "ota/firmware/hash.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::int64_t kLongestGrace = 30 * 24 * 3600;
constexpr std::int64_t kGrace = 24 * 3600;

Json key_json(const ApiKey& key) {
  std::optional<WallTime> until;
  if (key.former) until = key.former->until;
  return {{"name", key.name},
          {"role", to_string(key.role)},
          {"scope", key.scope},
          {"created_at", to_rfc3339(key.created)},
          {"last_used", or_null(key.last_used)},
          {"expires_at", or_null(key.expires)},
          {"former_until", or_null(until)}};
}

Error no_key_of(const std::string& name) {
  return fail(Errc::not_found, fmt::format("there is no key named {}: GET /keys lists all", name));
}

/// `role`, `scope` and `expires_at`.
void read_change(wire::JsonFields& fields, engine::KeyChange& change) {
  if (const auto text = fields.text("role", kMaxText)) {
    change.role = parse_role(*text);
    constexpr std::string_view kRoles[] = {"viewer", "operator", "admin"};
    if (!change.role) fields.errors().add("role", wire::unknown_word(*text, kRoles));
  }
  change.scope = fields.texts("scope", kMaxConditions, kMaxCondition);
  if (change.scope)
    if (const auto good = check_scope(*change.scope); !good) fields.errors().add("scope", good.error().message);
  if (fields.is_null("expires_at"))
    change.expires.emplace(std::nullopt);
  else if (const auto time = time_of(fields, "expires_at"))
    change.expires.emplace(time);
}

/// A new secret, as its owner sends it.
std::string make_secret(engine::KeyChange& change) {
  auto secret = "otad_" + firmware::base64url(firmware::random_bytes(kKeyBytes));
  change.secret = firmware::sha256(secret);
  return secret;
}

/// `secret` is shown where it is new.
Answering put_key(Context& context, Call& call, engine::KeyChange change, std::string secret, unsigned status) {
  std::function<void(engine::Done<ApiKey>)> start = [&context, change = std::move(change),
                                                     caller = call.caller()](auto done) {
    context.engine.keys().put_key(change, caller, std::move(done));
  };
  auto key = co_await command<ApiKey>(std::move(start));
  if (!key) co_return key.error();
  context.keys.forget();
  auto json = key_json(*key);
  if (!secret.empty()) json["key"] = secret;
  auto reply = wire::json_reply(status, to_text(json));
  if (status == 201) add_location(context, reply, "/keys/" + key->name);
  co_return reply;
}

}  // namespace

Answering list_keys(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<Result<std::string>(storage::ReadView&)> job = [](storage::ReadView& view) -> Result<std::string> {
    std::vector<Json> items;
    for (const auto& key : view.keys.all()) items.push_back(key_json(key));
    return to_text(list_json(std::move(items), std::nullopt));
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering get_key(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<Result<std::string>(storage::ReadView&)> job =
      [name = call.arguments.at(0)](storage::ReadView& view) -> Result<std::string> {
    const auto key = view.keys.find(name);
    if (!key) return no_key_of(name);
    return to_text(key_json(*key));
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering add_key(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::KeyChange change;
  change.what = engine::KeyChange::What::add;
  for (const auto* name : {"name", "role"}) fields->require(name);
  change.name = fields->text("name", kMaxText).value_or("");
  if (fields->has("name") && !valid_key_name(change.name)) fields->errors().add("name", kKeyNameRule);
  read_change(*fields, change);
  fields->refuse_unknown({"name", "role", "scope", "expires_at"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  auto secret = make_secret(change);
  co_return co_await put_key(context, call, std::move(change), std::move(secret), 201);
}

Answering patch_key(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::KeyChange change;
  change.name = call.arguments.at(0);
  read_change(*fields, change);
  fields->refuse_unknown({"role", "scope", "expires_at"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  co_return co_await put_key(context, call, std::move(change), {}, 200);
}

Answering rotate_key(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::KeyChange change;
  change.what = engine::KeyChange::What::rotate;
  change.name = call.arguments.at(0);
  change.grace = std::chrono::seconds{fields->integer("grace_s", 0, kLongestGrace).value_or(kGrace)};
  fields->refuse_unknown({"grace_s"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  auto secret = make_secret(change);
  co_return co_await put_key(context, call, std::move(change), std::move(secret), 200);
}

Answering delete_key(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<void(engine::Done<void>)> start = [&context, name = call.arguments.at(0),
                                                   caller = call.caller()](auto done) {
    context.engine.keys().remove_key(name, caller, std::move(done));
  };
  auto removed = co_await command<void>(std::move(start));
  if (!removed) co_return removed.error();
  context.keys.forget();
  co_return wire::no_content_reply();
}

}  // namespace ota::rest
