#include "ddi/encode.hpp"

#include <fmt/format.h>

#include <utility>

#include "ddi/poll_interval.hpp"
#include "ota/base/json_writer.hpp"
#include "ota/base/text.hpp"
#include "ota/base/url.hpp"
#include "ota/wire/errors.hpp"

namespace ota::ddi {
namespace {

std::string link(std::string_view href) {
  JsonWriter json(href.size() + 16);
  json.put("href", href);
  return json.take();
}

std::string list_of(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const auto& text : texts) {
    if (list.size() > 1) list += ',';
    append_json_string(list, text);
  }
  return list += ']';
}

/// Both pairs: some clients know only the one for HTTP, others prefer that for HTTPS.
std::string artifact(const Firmware& firmware, const FirmwareFile& file, const DeviceUrl& url) {
  const auto href = fmt::format("{}/softwaremodules/{}/artifacts/{}", url, firmware.id, percent_encode(file.name));
  JsonWriter hashes;
  hashes.put("sha1", to_hex(file.sha1));
  hashes.put("md5", to_hex(file.md5));
  hashes.put("sha256", to_hex(firmware.checksum));
  JsonWriter links;
  links.put_raw("download", link(href));
  links.put_raw("md5sum", link(href + ".MD5SUM"));
  links.put_raw("download-http", link(href));
  links.put_raw("md5sum-http", link(href + ".MD5SUM"));
  JsonWriter json;
  json.put("filename", file.name);
  json.put_raw("hashes", hashes.take());
  json.put("size", firmware.size);
  json.put_raw("_links", links.take());
  return json.take();
}

std::string_view status_of(ActionState state) {
  switch (state) {
    case ActionState::finished:
      return "FINISHED";
    case ActionState::closed:
      return "ERROR";
    case ActionState::cancelling:
      return "CANCELING";
    case ActionState::refused:
      return "CANCEL_REJECTED";
    default:
      return "RUNNING";
  }
}

}  // namespace

std::string poll_json(const engine::PollAnswer& answer, const DeviceUrl& url, std::chrono::seconds sleep) {
  JsonWriter polling;
  polling.put("sleep", to_hms(sleep));
  JsonWriter config;
  config.put_raw("polling", polling.take());
  JsonWriter json;
  json.put_raw("config", config.take());
  JsonWriter links;
  bool any = false;
  const auto put = [&](std::string_view name, const std::string& href) {
    links.put_raw(name, link(href));
    any = true;
  };
  if (answer.cancel) put("cancelAction", fmt::format("{}/cancelAction/{}", url, *answer.cancel));
  // The marker changes with whatever changes in what the link shows: each attempt has its own id.
  if (answer.install) put("deploymentBase", fmt::format("{0}/deploymentBase/{1}?c={1}", url, *answer.install));
  if (answer.wants_attributes) put("configData", url + "/configData");
  if (answer.installed) put("installedBase", fmt::format("{}/installedBase/{}", url, *answer.installed));
  if (any) json.put_raw("_links", links.take());
  return json.take();
}

std::string deployment_json(const engine::ActionView& view, const DeviceUrl& url, bool history) {
  const auto& firmware = view.firmware;
  JsonWriter chunk;
  chunk.put("part", "bApp");  // the only one that Zephyr's client takes
  chunk.put("version", firmware.version);
  chunk.put("name", firmware.hardware.empty() ? std::string_view("firmware") : std::string_view(firmware.hardware));
  chunk.put_raw("artifacts", fmt::format("[{}]", artifact(firmware, *firmware.file, url)));
  JsonWriter deployment;
  deployment.put("download", "forced");
  deployment.put("update", "forced");
  deployment.put_raw("chunks", fmt::format("[{}]", chunk.take()));
  JsonWriter json;
  json.put("id", std::to_string(view.action.id));
  json.put_raw("deployment", deployment.take());
  if (history) {
    JsonWriter past;
    past.put("status", status_of(view.action.state));
    past.put_raw("messages", list_of(view.messages));
    json.put_raw("actionHistory", past.take());
  }
  return json.take();
}

std::string cancel_json(ActionId action) {
  return fmt::format(R"({{"id":"{0}","cancelAction":{{"stopId":"{0}"}}}})", action);
}

std::string artifacts_json(const Firmware& firmware, const DeviceUrl& url) {
  return fmt::format("[{}]", artifact(firmware, *firmware.file, url));
}

std::string confirmation_json(const DeviceUrl& url) {
  JsonWriter switched;
  switched.put("active", false);
  JsonWriter links;
  links.put_raw("activateAutoConfirm", link(url + "/confirmationBase/activateAutoConfirm"));
  JsonWriter json;
  json.put_raw("autoConfirm", switched.take());
  json.put_raw("_links", links.take());
  return json.take();
}

std::string error_json(const Error& error) {
  JsonWriter json;
  json.put("errorCode", fmt::format("otad.{}", wire::rest_code(error.code)));
  json.put("message", error.message);
  return json.take();
}

std::string md5sum(const FirmwareFile& file) { return fmt::format("{}  {}", to_hex(file.md5), file.name); }

}  // namespace ota::ddi
