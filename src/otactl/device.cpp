// otactl device: the registry.
#include <fmt/format.h>

#include "otactl/call.hpp"
#include "otactl/device_import.hpp"
#include "otactl/format.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

constexpr auto kDevice = argument("DEVICE", "Id of the device", Completes::device);

/// `downloading 52 %`
std::string as_active(const Json& value, WallTime now) {
  if (!value.is_object()) return "-";
  auto text = as_text(at(value, "/state"), now) + " " + as_text(at(value, "/firmware_version"), now);
  if (text_at(value, "/state") == "downloading") text += fmt::format(" {} %", number_at(value, "/progress/percent"));
  return text;
}

constexpr Column kDeviceColumns[] = {
    {"DEVICE", "/device_id"},
    {"HARDWARE", "/hardware"},
    {"VERSION", "/current_version"},
    {"CHANNEL", "/channel"},
    {"SEEN", "/last_seen", as_age},
    {"LINK", "/link/verdict"},
    {"UPDATE", "/active_task", as_active},
    {"PINNED", "/pinned", as_mark, false, true},
    {"REGISTERED", "/registered", as_mark, false, true},
    {"TOKEN", "/has_token", as_mark, false, true},
    {"TRANSPORTS", "/transports", as_words, false, true},
    {"TIMEZONE", "/timezone", as_text, false, true},
    {"TAGS", "/tags", as_tags},
};

constexpr Field kDeviceFields[] = {
    {"device", "/device_id"},
    {"hardware", "/hardware"},
    {"runs", "/current_version"},
    {"channel", "/channel"},
    {"pinned", "/pinned", as_mark},
    {"seen", "/last_seen", as_age},
    {"link", "/link/verdict"},
    {"round trip, ms", "/link/measured/rtt_ms"},
    {"loss", "/link/measured/loss"},
    {"transports", "/transports", as_words},
    {"registered", "/registered", as_mark},
    {"has a token", "/has_token", as_mark},
    {"time zone", "/timezone"},
    {"tags", "/tags", as_tags},
    {"update", "/active_task", as_active},
    {"task", "/active_task/task_id"},
    {"known since", "/created_at", as_time},
};

int list_devices(Call& call) { return select(call, "/devices", {}, kDeviceColumns); }

int show_device(Call& call) {
  const auto reply = call.client().get(path_of({"devices", call.argument("DEVICE")}));
  answer(call, reply, call.json() ? "" : lines_of(call, reply.json(), kDeviceFields));
  return kDone;
}

/// The sentence, and the checks that led to it.
std::string explanation(const Call& call, const Json& json) {
  const auto& style = call.terminal().style;
  auto text =
      fmt::format("{}  {}\n", painted(style, Colour::bold, text_at(json, "/device_id")), text_at(json, "/text"));
  if (at(json, "/next").is_object()) {
    text += "next  " + text_at(json, "/next/what");
    if (at(json, "/next/at").is_string()) text += ", " + as_time(at(json, "/next/at"), call.now());
    text += "\n";
  }
  for (const auto& check : at(json, "/checks")) {
    const bool ok = at(check, "/ok") == true;
    const auto mark = style.utf8 ? (ok ? "✓" : "✗") : (ok ? "ok" : "no");
    text += fmt::format("  {} {}", painted(style, ok ? Colour::green : Colour::red, mark), text_at(check, "/check"));
    if (const auto detail = text_at(check, "/detail"); !detail.empty()) text += ": " + detail;
    text += "\n";
  }
  return text;
}

int explain_device(Call& call) {
  const auto reply = call.client().get(path_of({"devices", call.argument("DEVICE"), "explain"}));
  answer(call, reply, call.json() ? "" : explanation(call, reply.json()));
  return kDone;
}

int move_devices(Call& call) {
  Request request;
  request.method = "POST";
  request.path = "/devices/move";
  request.silence = std::chrono::seconds{0};  // a million devices take their time
  const auto& devices = call.list("DEVICE");
  const auto& where = call.list("where");
  if (devices.empty() == where.empty()) throw Failure(kUsage, "give devices or --where, and not both");
  Json body = {{"channel", call.argument("to")}};
  body[where.empty() ? "devices" : "where"] = where.empty() ? devices : where;
  request.body = body.dump();
  if (!where.empty()) {
    request.query = {{"dry_run", "true"}};
    const auto plan = call.client().call(request).json();
    write_note(fmt::format("{} would move to {}; {} of them get an update there",
                           counted(number_at(plan, "/moved"), "device"), printable(call.argument("to")),
                           grouped(number_at(plan, "/will_update"))));
    confirm(call.has("yes"), "Move them?", "no device was moved");
    request.query.clear();
  }
  const auto reply = call.client().call(request);
  const auto done = reply.json();
  answer(call, reply, fmt::format("{} moved to {}; {} get an update there\n", as_number(at(done, "/moved"), {}),
                                  printable(call.argument("to")), as_number(at(done, "/will_update"), {})));
  for (const auto& id : at(done, "/unknown")) write_note("there is no device " + as_text(id, {}));
  return at(done, "/unknown").empty() ? kDone : kRefused;
}

int set_pinned(Call& call, bool pinned) {
  const auto reply = call.client().patch(path_of({"devices", call.argument("DEVICE")}), {{"pinned", pinned}});
  answer(call, reply, fmt::format("{} is {}pinned{}\n", printable(call.argument("DEVICE")), pinned ? "" : "not ",
                                  pinned ? ": its channel gives it nothing" : ": it follows its channel again"));
  return kDone;
}

int pin_device(Call& call) { return set_pinned(call, true); }
int unpin_device(Call& call) { return set_pinned(call, false); }

int issue_token(Call& call) {
  const auto reply = call.client().post(path_of({"devices", call.argument("DEVICE"), "token"}));
  answer(call, reply, call.json() ? "" : text_at(reply.json(), "/token") + "\n");
  return kDone;
}

int remove_device(Call& call) {
  const auto id = call.argument("DEVICE");
  const auto path = path_of({"devices", id});
  const auto device = call.client().get(path).json();
  auto about = fmt::format("{}, runs {}, last seen: {}", as_text(at(device, "/hardware"), {}),
                           as_text(at(device, "/current_version"), {}), as_age(at(device, "/last_seen"), call.now()));
  if (at(device, "/active_task").is_object())
    about += ", with the open task " + text_at(device, "/active_task/task_id");
  write_note(fmt::format("{}: {}", printable(id), about));
  confirm(call.has("yes"), "Remove it with its open tasks?", printable(id) + " was not removed");
  const auto reply = call.client().remove(path);
  answer(call, reply, printable(id) + " is removed\n");
  return kDone;
}

}  // namespace

Noun device_noun() {
  return {
      "device",
      "Devices: what they run, and why",
      {
          {"list", "List devices",
           {kWhere, kSort, flag("count", "Print only how many there are"), kLimit, kCursor}, list_devices},
          {"show", "Show a device", {kDevice}, show_device},
          {"explain", "Show why a device is or isn't updated", {kDevice}, explain_device},
          {"move", "Let devices follow another channel",
           {Parameter{Parameter::Kind::arguments, "DEVICE", {}, "Ids of the devices", Completes::device}, kWhere,
            needed(option("to", "CHANNEL", "The channel", Completes::channel)), kYes},
           move_devices},
          {"pin", "Keep a device on what it runs", {kDevice}, pin_device},
          {"unpin", "Let a device follow its channel again", {kDevice}, unpin_device},
          {"token", "Issue a new token and print it; the old one ends at once", {kDevice}, issue_token},
          {"remove", "Remove a device with its open tasks", {kDevice, kYes}, remove_device},
          import_verb(),
      }};
}

}  // namespace ota::otactl
