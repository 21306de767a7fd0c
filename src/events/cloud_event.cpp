#include "ota/events/cloud_event.hpp"

#include "ota/base/json_writer.hpp"
#include "ota/base/url.hpp"

namespace ota::events {
namespace {

/// `data` as it is kept, behind the channel and the device.
std::string data_of(const Event& event) {
  JsonWriter own(event.channel.size() + event.device.size() + 64);
  if (!event.channel.empty()) own.put("channel", event.channel);
  if (!event.device.empty()) own.put("device_id", event.device);
  auto data = own.take();
  const bool kept_any = event.data.size() > 2;
  if (!kept_any) return data;
  if (data.size() == 2) return event.data;
  data.back() = ',';
  return data.append(event.data, 1);
}

JsonWriter envelope(const std::string& id, const std::string& type, WallTime time, const std::string& source) {
  JsonWriter json;
  json.put("specversion", "1.0");
  json.put("id", id);
  json.put("source", source);
  json.put("type", "otad." + type);
  json.put("time", to_rfc3339(time));
  return json;
}

}  // namespace

std::string source_of(const std::string& name) { return "/otad/" + percent_encode(name); }

std::string cloud_event(const Event& event, const std::string& source) {
  auto json = envelope(std::to_string(event.number), std::string(to_string(event.type)), event.time, source);
  json.put("subject", event.subject);
  json.put("datacontenttype", "application/json");
  json.put_raw("data", data_of(event));
  return json.take();
}

std::string cloud_event(const std::string& id, const std::string& type, WallTime time, const std::string& source) {
  auto json = envelope(id, type, time, source);
  json.put("datacontenttype", "application/json");
  json.put_raw("data", "{}");
  return json.take();
}

}  // namespace ota::events
