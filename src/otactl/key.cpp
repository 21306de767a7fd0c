// otactl key: API keys, and keys for signing firmware.
#include <fmt/format.h>

#include <filesystem>

#include "ota/base/file.hpp"
#include "ota/credentials/signing.hpp"
#include "otactl/call.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

constexpr auto kName = argument("NAME", "Name of the API key", Completes::key);
constexpr auto kScope = repeated(
    "scope", "CONDITION", "Only devices that fulfil this, such as tag.site=lab; may be repeated, all must hold");
constexpr std::string_view kRoles = "viewer|operator|admin";

/// What devices the key may touch.
std::string as_scope(const Json& value, WallTime now) { return value.empty() ? "all" : as_words(value, now); }

constexpr Column kKeyColumns[] = {
    {"NAME", "/name"},
    {"ROLE", "/role"},
    {"SCOPE", "/scope", as_scope},
    {"USED", "/last_used", as_age},
    {"EXPIRES", "/expires_at", as_age},
    {"FORMER UNTIL", "/former_until", as_time},
    {"CREATED", "/created_at", as_time, false, true},
};

int list_keys(Call& call) {
  const auto reply = call.client().get("/keys");
  const auto json = reply.json();
  answer(call, reply, table_of(call, at(json, "/items"), kKeyColumns));
  return kDone;
}

/// The secret alone goes to standard output, for --key-file -.
void show_secret(const Call& call, const Reply& reply, const std::string& note) {
  if (!call.json()) write_note(note);
  answer(call, reply, text_at(reply.json(), "/key") + "\n");
}

int add_key(Call& call) {
  Json body = {{"name", call.argument("NAME")}, {"role", call.argument("role")}};
  if (call.has("scope")) body["scope"] = call.list("scope");
  if (const auto time = call.future("expires")) body["expires_at"] = *time;
  const auto reply = call.client().post("/keys", body);
  show_secret(call, reply, fmt::format("key {}, shown this once:", printable(call.argument("NAME"))));
  return kDone;
}

int set_key(Call& call) {
  auto body = Json::object();
  if (const auto role = call.text("role")) body["role"] = *role;
  if (call.has("scope")) body["scope"] = call.list("scope");
  if (call.has("all-devices")) body["scope"] = Json::array();
  if (call.text("expires") == "never")
    body["expires_at"] = nullptr;
  else if (const auto time = call.future("expires"))
    body["expires_at"] = *time;
  if (body.empty()) throw Failure(kUsage, "say what to set: --role, --scope, --all-devices, --expires");
  if (call.has("scope") && call.has("all-devices"))
    throw Failure(kUsage, "--scope and --all-devices exclude each other");
  const auto reply = call.client().patch(path_of({"keys", call.argument("NAME")}), body);
  answer(call, reply, table_of(call, Json::array({reply.json()}), kKeyColumns));
  return kDone;
}

int rotate_key(Call& call) {
  auto body = Json::object();
  if (const auto grace = call.duration("grace")) body["grace_s"] = grace->count();
  const auto reply = call.client().post(path_of({"keys", call.argument("NAME"), "rotate"}), body);
  const auto json = reply.json();
  const auto& until = at(json, "/former_until");
  show_secret(call, reply,
              until.is_null() ? std::string("the new key, shown this once; the former is good no more:")
                              : fmt::format("the new key, shown this once; the former is good until {}:",
                                            as_time(until, call.now())));
  return kDone;
}

int remove_key(Call& call) {
  const auto path = path_of({"keys", call.argument("NAME")});
  const auto key = call.client().get(path).json();
  write_note(fmt::format("key {}: {}, last used {}", text_at(key, "/name"), text_at(key, "/role"),
                         as_age(at(key, "/last_used"), call.now())));
  confirm(call.has("yes"), "Remove it?", "nothing was removed");
  const auto reply = call.client().remove(path);
  answer(call, reply, fmt::format("key {} is removed\n", text_at(key, "/name")));
  return kDone;
}

int new_signing(Call& call) {
  const auto name = call.argument("NAME");
  const auto secret = name + ".key";
  const auto open = name + ".pem";
  std::error_code error;
  for (const auto& file : {secret, open})
    if (fs::exists(file, error))
      throw Failure(kRefused, fmt::format("{} is there already, and no key is ever overwritten: take another name",
                                          printable(file)));
  const auto key = credentials::new_signing_key();
  if (auto written = write_durably(secret, key.secret_pem, 0600); !written)
    throw Failure(kRefused, written.error().message);
  if (auto written = write_durably(open, key.public_pem, 0644); !written)
    throw Failure(kRefused, written.error().message);
  write_out(fmt::format("{0}: signs firmware; keep it offline and backed up\n"
                        "{1}: for the server, in security.trusted_keys_dir (/etc/otad/keys), and for the devices\n"
                        "otactl firmware upload FILE --version VERSION --sign {0}\n",
                        printable(secret), printable(open)));
  return kDone;
}

}  // namespace

Noun key_noun() {
  return {"key",
          "API keys of callers, and keys that sign firmware",
          {
              {"list", "List API keys, without their secrets", {}, list_keys},
              {"add", "Make an API key and print it",
               {argument("NAME", "Name of the new key: it stands in the audit log"),
                needed(choice("role", kRoles, "What it may do")), kScope,
                option("expires", "TIME", "Until when it is good: in 90d, or RFC 3339; without it for ever")},
               add_key},
              {"set", "Change an API key's role, scope or end",
               {kName, choice("role", kRoles, "What it may do"), kScope,
                flag("all-devices", "Take the scope away: all devices"),
                option("expires", "TIME",
                       "Until when it is good: in 90d, RFC 3339, 0s for no longer, or never: for ever")},
               set_key},
              {"rotate", "Give an API key a new secret and print it",
               {kName,
                option("grace", "TIME", "How long the former stays good, 30d at most (default: 1d); 0s: no more")},
               rotate_key},
              {"remove", "Remove an API key", {kName, kYes}, remove_key},
              {"new-signing", "Make an Ed25519 key pair that signs firmware: NAME.key and NAME.pem",
               {argument("NAME", "Name of the key, such as vendor-2026: the signatures' key_id", Completes::file)},
               new_signing},
          }};
}

}  // namespace ota::otactl
