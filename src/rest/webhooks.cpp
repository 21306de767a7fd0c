// Webhooks (docs/events.md, Webhooks).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ota/domain/ids.hpp"
#include "rest/body_fields.hpp"
#include "rest/event_types.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/or_null.hpp"
#include "rest/query.hpp"

namespace ota::rest {
namespace {

constexpr std::size_t kMostTypes = 50;

Json webhook_json(const Webhook& webhook) {
  return {{"id", webhook.id},
          {"url", webhook.url},
          {"types", webhook.types},
          {"channel", or_null(webhook.channel)},
          {"enabled", webhook.enabled},
          {"disabled_reason", or_null(webhook.disabled_reason)},
          {"cursor", webhook.cursor},
          {"failures", webhook.failures},
          {"failing_since", or_null(webhook.failing_since)},
          {"next_attempt_at", or_null(webhook.next_at)},
          {"last_attempt_at", or_null(webhook.last_at)},
          {"last_status", webhook.last_status == 0 ? Json(nullptr) : Json(webhook.last_status)},
          {"last_error", or_null(webhook.last_error)},
          {"old_secret_until", or_null(webhook.old_until)},
          {"created_at", to_rfc3339(webhook.created)},
          {"created_by", webhook.created_by}};
}

/// The only answers that have the secret.
Json with_secret(const Context& context, const Webhook& webhook) {
  auto json = webhook_json(webhook);
  json["secret"] = context.webhooks.secret_of(webhook);
  return json;
}

Error no_such_webhook(const std::string& id) {
  return fail(Errc::not_found, fmt::format("there is no webhook {}; GET /webhooks lists what is there", id));
}

Result<std::int64_t> id_of(const Call& call) {
  const auto id = parse_number(call.arguments.at(0));
  if (!id) return no_such_webhook(call.arguments.at(0));
  return *id;
}

std::optional<std::string> url_of(const Context& context, wire::JsonFields& fields) {
  auto url = fields.text("url", kMaxText);
  if (!url) return std::nullopt;
  if (const auto refused = events::refuse_webhook_url(*url, context.webhooks.rules())) {
    fields.errors().add("url", *refused);
    return std::nullopt;
  }
  return url;
}

std::optional<std::vector<std::string>> types_of(wire::JsonFields& fields) {
  auto types = fields.texts("types", kMostTypes, kMaxText);
  if (types) static_cast<void>(event_types_of(*types, "types", fields.errors()));
  return types;
}

std::optional<std::string> channel_of(wire::JsonFields& fields) {
  if (fields.is_null("channel")) return std::string();
  auto channel = fields.text("channel", kMaxText);
  if (channel && !valid_channel(*channel)) fields.errors().add("channel", "must be 1 to 64 of a-z 0-9 _ -");
  return channel;
}

/// The row, as it is now.
boost::asio::awaitable<Result<Webhook>> find_webhook(Context& context, std::int64_t id) {
  std::function<Result<Webhook>(storage::ReadView&)> job = [id](auto& view) -> Result<Webhook> {
    auto webhook = view.webhooks.find(id);
    if (!webhook) return no_such_webhook(std::to_string(id));
    return std::move(*webhook);
  };
  co_return co_await read<Webhook>(context.readers, std::move(job));
}

/// Answers with what an order made of it, which the sender is told.
Answering answer_order(Context& context, std::function<void(engine::Done<Webhook>)> start, bool shows_secret) {
  auto done = co_await command<Webhook>(std::move(start));
  if (!done) co_return done.error();
  context.webhooks.refresh();
  co_return wire::json_reply(200, to_text(shows_secret ? with_secret(context, *done) : webhook_json(*done)));
}

}  // namespace

Answering post_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::WebhookOrder order;
  fields->require("url");
  order.url = url_of(context, *fields).value_or("");
  order.types = types_of(*fields).value_or(std::vector<std::string>{});
  order.channel = channel_of(*fields).value_or("");
  fields->refuse_unknown({"url", "types", "channel"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  order.salt = events::make_webhook_salt();
  std::function<void(engine::Done<Webhook>)> start = [&context, order, caller = call.caller()](auto done) {
    context.engine.webhooks().create(order, caller, std::move(done));
  };
  auto made = co_await command<Webhook>(std::move(start));
  if (!made) co_return made.error();
  context.webhooks.refresh();
  auto reply = wire::json_reply(201, to_text(with_secret(context, *made)));
  add_location(context, reply, fmt::format("/webhooks/{}", made->id));
  co_return reply;
}

Answering list_webhooks(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  std::function<Result<std::string>(storage::ReadView&)> job = [](auto& view) -> Result<std::string> {
    std::vector<Json> items;
    for (const auto& webhook : view.webhooks.all()) items.push_back(webhook_json(webhook));
    return to_text(list_json(std::move(items), std::nullopt));
  };
  co_return co_await answer_read(context, std::move(job));
}

Answering get_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  auto webhook = co_await find_webhook(context, *id);
  if (!webhook) co_return webhook.error();
  co_return wire::json_reply(200, to_text(webhook_json(*webhook)));
}

Answering patch_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  engine::WebhookChange change;
  change.id = *id;
  change.url = url_of(context, *fields);
  change.types = types_of(*fields);
  change.channel = channel_of(*fields);
  change.enabled = fields->boolean("enabled");
  fields->refuse_unknown({"url", "types", "channel", "enabled"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  std::function<void(engine::Done<Webhook>)> start = [&context, change, caller = call.caller()](auto done) {
    context.engine.webhooks().change(change, caller, std::move(done));
  };
  co_return co_await answer_order(context, std::move(start), false);
}

Answering delete_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  std::function<void(engine::Done<void>)> start = [&context, id = *id, caller = call.caller()](auto done) {
    context.engine.webhooks().remove(id, caller, std::move(done));
  };
  auto removed = co_await command<void>(std::move(start));
  if (!removed) co_return removed.error();
  context.webhooks.refresh();
  co_return wire::no_content_reply();
}

Answering test_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  auto webhook = co_await find_webhook(context, *id);
  if (!webhook) co_return webhook.error();
  std::function<void(std::function<void(Result<events::WebhookOutcome>)>)> start =
      [&context, webhook = std::move(*webhook)](auto done) { context.webhooks.test(webhook, std::move(done)); };
  auto testing = http::await_call<Result<events::WebhookOutcome>>(std::move(start));
  const auto outcome = co_await std::move(testing);
  if (!outcome) co_return outcome.error();
  const Json json = {{"delivered", outcome->error.empty()},
                     {"status", outcome->status == 0 ? Json(nullptr) : Json(outcome->status)},
                     {"error", or_null(outcome->error)},
                     {"ms", outcome->took.count()}};
  co_return wire::json_reply(200, to_text(json));
}

Answering replay_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  auto fields = co_await fields_of(call);
  if (!fields) co_return fields.error();
  fields->require("since");
  const auto since = fields->integer("since", 0, INT64_MAX).value_or(0);
  fields->refuse_unknown({"since"});
  if (auto checked = fields->check(Errc::malformed); !checked) co_return checked.error();
  std::function<void(engine::Done<Webhook>)> start = [&context, id = *id, since, caller = call.caller()](auto done) {
    context.engine.webhooks().replay(id, since, caller, std::move(done));
  };
  co_return co_await answer_order(context, std::move(start), false);
}

Answering rotate_webhook(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  const auto id = id_of(call);
  if (!id) co_return id.error();
  std::function<void(engine::Done<Webhook>)> start = [&context, id = *id, salt = events::make_webhook_salt(),
                                                      caller = call.caller()](auto done) {
    context.engine.webhooks().rotate(id, salt, caller, std::move(done));
  };
  co_return co_await answer_order(context, std::move(start), true);
}

}  // namespace ota::rest
