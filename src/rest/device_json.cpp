#include <nlohmann/json.hpp>

#include "rest/json.hpp"
#include "rest/or_null.hpp"

namespace ota::rest {
namespace {

Json transports_json(const std::vector<Transport>& transports) {
  auto list = Json::array();
  for (const auto transport : transports) list.push_back(to_string(transport));
  return list;
}

Json active_json(const std::optional<Task>& task, const std::optional<engine::TransferView>& live) {
  if (!task) return nullptr;
  const auto whole = task_json(*task, std::nullopt, live);
  Json json;
  for (const auto* name : {"task_id", "state", "firmware_version", "priority", "attempt", "progress"})
    json[name] = whole[name];
  return json;
}

}  // namespace

Json link_json(const Device& device) {
  const auto& seen = device.quality;
  return {
      {"verdict", to_string(seen.verdict)},
      {"transport", or_null(device.transport)},
      {"rtt_ms", or_null(device.link.rtt_ms)},
      {"rssi", or_null(device.link.rssi)},
      {"loss", or_null(device.link.loss)},
      {"measured", {{"rtt_ms", or_null(seen.rtt_ms)}, {"loss", or_null(seen.loss)}, {"rate", or_null(seen.rate)}}},
      {"stalls", seen.stalls},
      {"resumes", seen.resumes},
      {"mismatches", seen.mismatches},
      {"cut_replies", seen.broken},
      {"mqtt_first", seen.mqtt_first_until > Millis{0}},
  };
}

Json device_json(const Device& device, const std::optional<Task>& active,
                 const std::optional<engine::TransferView>& live) {
  return {
      {"device_id", device.id},
      {"hardware", or_null(device.hardware)},
      {"reported_hardware", or_null(device.reported_hardware)},
      {"current_version", or_null(device.current_version)},
      {"version_confirmed", device.version_confirmed},
      {"registered", device.registered},
      {"has_token", device.secret.has_value()},
      {"channel", device.channel},
      {"pinned", device.pinned},
      {"timezone", or_null(device.timezone)},
      {"tags", device.tags},
      {"last_seen", or_null(device.last_seen)},
      {"protocol", or_null(device.protocol)},
      {"client", or_null(device.client)},
      {"transports", transports_json(device.transports)},
      {"max_chunk_bytes", or_null(device.max_chunk_bytes)},
      {"link", link_json(device)},
      {"active_task", active_json(active, live)},
      {"created_at", to_rfc3339(device.created)},
  };
}

Json list_json(std::vector<Json> items, const std::optional<std::string>& next) {
  return {{"items", std::move(items)}, {"next", or_null(next)}};
}

std::string to_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace ota::rest
