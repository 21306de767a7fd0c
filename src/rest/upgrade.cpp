// POST /firmware/upgrade (docs/rest.md, Updates).
#include <nlohmann/json.hpp>

#include "ota/firmware/hash.hpp"
#include "ota/wire/json_fields.hpp"
#include "rest/body_fields.hpp"
#include "rest/handlers.hpp"
#include "rest/json.hpp"
#include "rest/task_view.hpp"

// g++ 12 sees asio's frame allocation inlined, but not its release, and takes them for a mismatched pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace ota::rest {
namespace {

constexpr std::size_t kMaxText = 4096;  ///< large: an invalid text should get its rule's message
constexpr std::int64_t kMaxChunkKib = kMaxChunkBytes / 1024;

std::string device_of(wire::JsonFields& fields) {
  fields.require("device_id");
  auto text = fields.text("device_id", kMaxText);
  if (text && !DeviceId::parse(*text)) {
    fields.errors().add("device_id", kDeviceIdRule);
  }
  return std::move(text).value_or("");
}

std::optional<Digest> checksum_of(wire::JsonFields& fields) {
  const auto text = fields.text("checksum", kMaxText);
  if (!text) return std::nullopt;
  const auto checksum = parse_checksum(*text);
  if (!checksum) fields.errors().add("checksum", "must be sha256: and 64 hexadecimal digits");
  return checksum;
}

/// Requires all four texts and no others. The engine checks their content.
std::optional<DowngradePermission> downgrade_of(wire::JsonFields& fields) {
  const auto texts = fields.text_map("downgrade_permission", 4, 16, 256);
  if (!texts) return std::nullopt;
  for (const auto* name : {"key_id", "value", "device", "expires"})
    if (const auto text = texts->find(name); text == texts->end() || !text->second) {
      fields.errors().add("downgrade_permission", "must have the texts key_id, value, device and expires");
      return std::nullopt;
    }
  const auto text = [&](const char* name) { return texts->at(name).value(); };
  return DowngradePermission{text("device"), text("expires"), {text("key_id"), text("value")}};
}

Result<engine::UpgradeOrder> order_of(std::string_view body) {
  auto fields = wire::JsonFields::parse(body, Errc::malformed);
  if (!fields) return fields.error();
  engine::UpgradeOrder order;
  order.device = device_of(*fields);
  order.version = version_of(*fields, "firmware_version");
  order.hardware = hardware_of(*fields);
  if (const auto kib = fields->integer("chunk_size", 1, kMaxChunkKib))
    order.chunk_bytes = static_cast<std::uint32_t>(*kib * 1024);
  order.checksum = checksum_of(*fields);
  order.priority = priority_of(*fields);
  order.not_before = time_of(*fields, "not_before");
  order.expires_at = time_of(*fields, "expires_at");
  if (const auto confirm = fields->boolean("confirm")) order.confirm = *confirm ? Confirm::always : Confirm::never;
  order.force = fields->boolean("force").value_or(false);
  order.pin = fields->boolean("pin").value_or(false);
  order.downgrade = downgrade_of(*fields);
  fields->refuse_unknown({"device_id", "firmware_version", "chunk_size", "checksum", "priority", "hardware",
                          "not_before", "expires_at", "confirm", "force", "pin", "downgrade_permission"});
  if (auto checked = fields->check(Errc::malformed); !checked) return checked.error();
  return order;
}

}  // namespace

Answering post_upgrade(Context& context, Call& call) {
  if (auto wanted = refuse_query(call); !wanted) co_return wanted.error();
  if (auto json = require_json(call); !json) co_return json.error();
  auto key = idempotency_key(call.request);
  if (!key) co_return key.error();
  auto body = co_await call.request.read_all(kMaxBody);
  if (!body) co_return body.error();
  auto order = order_of(*body);
  if (!order) co_return order.error();
  auto reaches = co_await check_device_reach(context, call, order->device);
  if (!reaches) co_return reaches.error();
  order->idempotency_key = std::move(*key);
  if (!order->idempotency_key.empty()) order->body_digest = firmware::sha256(*body);

  std::function<void(engine::Done<engine::UpgradeOutcome>)> start = [&context, order = *order,
                                                                     caller = call.caller()](auto done) {
    context.engine.upgrade(order, caller, std::move(done));
  };
  auto outcome = co_await command<engine::UpgradeOutcome>(std::move(start));
  if (!outcome && outcome.error().code == Errc::no_such_firmware)
    co_return co_await with_versions(context, outcome.error());
  if (!outcome) co_return outcome.error();
  const auto status = outcome->created ? 201u : 200u;
  auto reply = wire::json_reply(status, to_text(upgrade_json(outcome->task, outcome->state)));
  if (outcome->created) add_location(context, reply, "/tasks/" + outcome->task.id.str());
  co_return reply;
}

}  // namespace ota::rest
