// otactl webhook: where the server sends its events.
#include <fmt/format.h>

#include "ota/base/text.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr auto kWebhook = argument("WEBHOOK", "Id of the webhook", Completes::webhook);

/// `ok`, `failing since …`, `disabled: …`
std::string as_health(const Json& value, WallTime now) {
  if (at(value, "/enabled") == false)
    return "disabled" + (at(value, "/disabled_reason").is_null() ? "" : ": " + text_at(value, "/disabled_reason"));
  if (at(value, "/failing_since").is_null()) return "ok";
  return fmt::format("failing for {}: {}", as_age(at(value, "/failing_since"), now),
                     as_text(at(value, "/last_error"), now));
}

constexpr Column kWebhookColumns[] = {
    {"WEBHOOK", "/id"},
    {"URL", "/url"},
    {"TYPES", "/types", as_words},
    {"CHANNEL", "/channel"},
    {"STATE", "", as_health},
    {"CURSOR", "/cursor", as_text, true},
    {"LAST", "/last_attempt_at", as_age},
    {"STATUS", "/last_status"},
};

int list_webhooks(Call& call) {
  const auto reply = call.client().get("/webhooks");
  const auto json = reply.json();
  answer(call, reply, call.json() ? "" : table_of(call, at(json, "/items"), kWebhookColumns));
  return kDone;
}

Json split_types(std::string_view text) {
  auto types = Json::array();
  for (const auto part : split(text, ',')) types.push_back(trim(part));
  return types;
}

int add_webhook(Call& call) {
  Json body = {{"url", call.argument("URL")}, {"types", split_types(call.argument("types"))}};
  if (const auto channel = call.text("channel")) body["channel"] = *channel;
  const auto reply = call.client().post("/webhooks", body);
  const auto json = reply.json();
  if (!call.json())
    write_note(fmt::format("webhook {} is made; its secret is shown this once:", as_text(at(json, "/id"), {})));
  answer(call, reply, text_at(json, "/secret") + "\n");
  return kDone;
}

std::string webhook_path(const Call& call, const char* verb) {
  return path_of({"webhooks", call.argument("WEBHOOK"), verb});
}

int test_webhook(Call& call) {
  const auto reply = call.client().post(webhook_path(call, "test"));
  const auto json = reply.json();
  const bool delivered = at(json, "/delivered") == true;
  const auto cause = !at(json, "/error").is_null() ? text_at(json, "/error")
                                                   : fmt::format("answered {}", as_text(at(json, "/status"), {}));
  answer(call, reply,
         delivered ? fmt::format("delivered in {} ms\n", as_text(at(json, "/ms"), {}))
                   : fmt::format("not delivered: {}\n", cause));
  return delivered ? kDone : kRefused;
}

int replay_webhook(Call& call) {
  const auto since = call.number("since", 0);
  const auto reply = call.client().post(webhook_path(call, "replay"), {{"since", since.value_or(0)}});
  answer(call, reply, "it continues behind that event\n");
  return kDone;
}

int rotate_webhook(Call& call) {
  const auto reply = call.client().post(webhook_path(call, "rotate"));
  const auto json = reply.json();
  if (!call.json()) write_note("the new secret, shown this once; both sign for a day:");
  answer(call, reply, text_at(json, "/secret") + "\n");
  return kDone;
}

int remove_webhook(Call& call) {
  const auto path = path_of({"webhooks", call.argument("WEBHOOK")});
  const auto webhook = call.client().get(path).json();
  write_note(fmt::format("webhook {}: {} ({})", as_text(at(webhook, "/id"), {}), text_at(webhook, "/url"),
                         as_health(webhook, call.now())));
  confirm(call.has("yes"), "Remove it?", "nothing was removed");
  const auto reply = call.client().remove(path);
  answer(call, reply, fmt::format("webhook {} is removed\n", printable(call.argument("WEBHOOK"))));
  return kDone;
}

}  // namespace

Noun webhook_noun() {
  return {"webhook",
          "Webhooks: where the server sends its events",
          {
              {"list", "List webhooks with their state", {}, list_webhooks},
              {"add", "Add a webhook and print its secret",
               {argument("URL", "Where events are posted"),
                needed(option("types", "TYPES", "Types of events, such as rollout.*,task.failed")),
                option("channel", "CHANNEL", "Only events of this channel", Completes::channel)},
               add_webhook},
              {"test", "Send it a test event", {kWebhook}, test_webhook},
              {"replay", "Send events again, from those behind an event on",
               {kWebhook, needed(option("since", "NUMBER", "Number of that event"))}, replay_webhook},
              {"rotate", "Make a new secret and print it", {kWebhook}, rotate_webhook},
              {"remove", "Remove a webhook", {kWebhook, kYes}, remove_webhook},
          }};
}

}  // namespace ota::otactl
