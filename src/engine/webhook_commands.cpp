#include "engine/webhook_commands.hpp"

#include <fmt/format.h>

#include <utility>

#include "engine/orders.hpp"
#include "ota/base/log.hpp"
#include "ota/base/url.hpp"

namespace ota::engine {
namespace {

Error no_such_webhook(std::int64_t id) {
  return fail(Errc::not_found, fmt::format("there is no webhook {}; GET /webhooks lists what is there", id));
}

/// It is tried at once, as if it had never failed.
void start_over(Webhook& webhook) {
  ++webhook.revision;
  webhook.enabled = true;
  webhook.disabled_reason.clear();
  webhook.failures = 0;
  webhook.next_at.reset();
  webhook.failing_since.reset();
}

Result<Webhook> on_create_webhook(TaskService& service, const WebhookOrder& order, const std::string& actor) {
  if (service.rows.webhooks.all().size() >= kMaxWebhooks)
    return fail(Errc::in_use, fmt::format("there are {} webhooks already: remove one first", kMaxWebhooks));
  Webhook webhook;
  webhook.url = order.url;
  webhook.types = order.types;
  webhook.channel = order.channel;
  webhook.salt = order.salt;
  webhook.created = service.wall();
  webhook.created_by = actor;
  webhook.cursor = service.rows.event_log.newest();
  service.rows.webhooks.insert(webhook);
  return webhook;
}

Result<Webhook> on_change_webhook(TaskService& service, const WebhookChange& change) {
  auto webhook = service.rows.webhooks.find(change.id);
  if (!webhook) return no_such_webhook(change.id);
  if (change.types) webhook->types = *change.types;
  if (change.channel) webhook->channel = *change.channel;
  if (change.url || change.enabled == true) start_over(*webhook);
  if (change.url) webhook->url = *change.url;
  if (change.enabled == false) {
    ++webhook->revision;
    webhook->enabled = false;
    webhook->disabled_reason = "by an operator";
  }
  service.rows.webhooks.update(*webhook);
  return *webhook;
}

Result<void> on_remove_webhook(TaskService& service, std::int64_t id) {
  if (service.rows.webhooks.remove(id)) return {};
  return no_such_webhook(id);
}

Result<Webhook> on_rotate_webhook(TaskService& service, std::int64_t id, const std::string& salt) {
  auto webhook = service.rows.webhooks.find(id);
  if (!webhook) return no_such_webhook(id);
  webhook->old_salt = std::exchange(webhook->salt, salt);
  webhook->old_until = service.wall() + kOldSecretSigns;
  service.rows.webhooks.update(*webhook);
  return *webhook;
}

Result<Webhook> on_replay_webhook(TaskService& service, std::int64_t id, std::int64_t since) {
  auto webhook = service.rows.webhooks.find(id);
  if (!webhook) return no_such_webhook(id);
  const auto newest = service.rows.event_log.newest();
  if (since > newest) {
    const auto message = fmt::format("is above {}, the newest event", newest);
    return Error{Errc::malformed, "since: " + message, {{"since", message}}};
  }
  start_over(*webhook);
  webhook->cursor = since;
  service.rows.webhooks.update(*webhook);
  return *webhook;
}

void on_webhook_report(TaskService& service, const WebhookReport& report) {
  auto webhook = service.rows.webhooks.find(report.id);
  if (!webhook || webhook->revision != report.revision) return;
  webhook->cursor = report.cursor;
  webhook->failures = report.failures;
  webhook->next_at = report.next_at;
  webhook->last_at = report.last_at;
  webhook->last_status = report.last_status;
  webhook->last_error = report.last_error;
  if (report.failures == 0) webhook->failing_since.reset();
  if (report.failures > 0 && !webhook->failing_since) webhook->failing_since = report.last_at;
  if (report.disable) {
    webhook->enabled = false;
    webhook->disabled_reason = *report.disable;
    const auto detail = fmt::format("webhook {} is disabled: {}; PATCH /webhooks/{} with \"enabled\": true resumes it",
                                    webhook->id, *report.disable, webhook->id);
    service.events.server(EventType::server_degraded, "webhook", detail);
    service.after_commit([detail] { log::error(detail); });
  }
  service.rows.webhooks.update(*webhook);
}

}  // namespace

void WebhookCommands::create(WebhookOrder order, Caller caller, Done<Webhook> done) {
  // Its path may be a secret.
  const auto url = parse_url(order.url);
  auto target = url ? std::string(url->origin) : std::string();
  order_by<Webhook>(loop_, std::move(done), caller, "webhook.add", std::move(target), {},
                    [order = std::move(order), name = caller.name](TaskService& service) {
                      return on_create_webhook(service, order, name);
                    });
}

void WebhookCommands::change(WebhookChange change, Caller caller, Done<Webhook> done) {
  auto target = std::to_string(change.id);
  order_by<Webhook>(loop_, std::move(done), caller, "webhook.change", std::move(target), {},
                    [change = std::move(change)](TaskService& service) { return on_change_webhook(service, change); });
}

void WebhookCommands::remove(std::int64_t id, Caller caller, Done<void> done) {
  order_by<void>(loop_, std::move(done), caller, "webhook.remove", std::to_string(id), {},
                 [id](TaskService& service) { return on_remove_webhook(service, id); });
}

void WebhookCommands::rotate(std::int64_t id, std::string salt, Caller caller, Done<Webhook> done) {
  order_by<Webhook>(
      loop_, std::move(done), caller, "webhook.rotate", std::to_string(id), {},
      [id, salt = std::move(salt)](TaskService& service) { return on_rotate_webhook(service, id, salt); });
}

void WebhookCommands::replay(std::int64_t id, std::int64_t since, Caller caller, Done<Webhook> done) {
  order_by<Webhook>(loop_, std::move(done), caller, "webhook.replay", fmt::format("{} since {}", id, since), {},
                    [id, since](TaskService& service) { return on_replay_webhook(service, id, since); });
}

void WebhookCommands::report(WebhookReport report) {
  loop_.later([report = std::move(report)](TaskService& service) { on_webhook_report(service, report); });
}

}  // namespace ota::engine
