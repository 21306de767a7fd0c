// otactl channel.
#include <fmt/format.h>

#include "otactl/format.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"
#include "otactl/windows.hpp"

namespace ota::otactl {
namespace {

constexpr auto kChannelName = argument("CHANNEL", "Name of the channel", Completes::channel);

std::string as_windows(const Json& value, WallTime) {
  const auto text = windows_text(value);
  return text.empty() ? "always" : text;
}

/// `gw-a 1.4.0, gw-b 2.0.0`
std::string as_targets(const Json& value, WallTime) {
  std::string text;
  for (const auto& one : value)
    if (at(one, "/target").is_object())
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ",
                          at(one, "/hardware").is_null() ? "any" : text_at(one, "/hardware"),
                          text_at(one, "/target/version"));
  return text.empty() ? "-" : text;
}

std::string as_open(const Json& value, WallTime) {
  std::string text;
  for (const auto& one : value)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", text_at(one, "/rollout_id"), text_at(one, "/state"));
  return text.empty() ? "-" : text;
}

constexpr Column kChannelColumns[] = {
    {"CHANNEL", "/name"},
    {"DEVICES", "/devices/all", as_number, true},
    {"LIVING", "/devices/living", as_number, true},
    {"TARGETS", "/hardware", as_targets},
    {"APPROVAL", "/approval", as_mark},
    {"INSTALLS", "/window", as_windows},
    {"ROLLOUTS", "/rollouts", as_open},
    {"NOTES", "/notes", as_text, false, true},
};

constexpr Field kChannelFields[] = {
    {"channel", "/name"},
    {"devices", "/devices/all", as_number},
    {"living", "/devices/living", as_number},
    {"installs", "/window", as_windows},
    {"open now", "/window_open", as_mark},
    {"changes at", "/window_changes_at", as_time},
    {"needs approval", "/approval", as_mark},
    {"rollouts", "/rollouts", as_open},
    {"notes", "/notes"},
};

constexpr Column kVersions[] = {
    {"HARDWARE", "/hardware"},
    {"VERSION", "/version"},
    {"TARGET", "/target", as_mark},
    {"DEVICES", "/devices", as_number, true},
    {"LIVING", "/living", as_number, true},
};

int list_channels(Call& call) {
  const auto reply = call.client().get("/channels");
  const auto json = reply.json();
  answer(call, reply, call.json() ? "" : table_of(call, at(json, "/items"), kChannelColumns));
  return kDone;
}

/// The versions of each hardware type, the target marked, also where no device runs it yet.
Json version_rows(const Json& channel) {
  auto rows = Json::array();
  for (const auto& type : at(channel, "/hardware")) {
    bool seen = at(type, "/target").is_null();
    for (auto row : at(type, "/versions")) {
      row["hardware"] = at(type, "/hardware");
      row["target"] = at(row, "/version").is_string() && at(row, "/version") == at(type, "/target/version");
      seen = seen || row["target"] == true;
      rows.push_back(std::move(row));
    }
    if (!seen)
      rows.push_back({{"hardware", at(type, "/hardware")}, {"version", at(type, "/target/version")}, {"target", true},
                      {"devices", 0}, {"living", 0}});
  }
  return rows;
}

int show_channel(Call& call) {
  const auto reply = call.client().get(path_of({"channels", call.argument("CHANNEL")}));
  std::string text;
  if (!call.json()) {
    const auto channel = reply.json();
    text = lines_of(call, channel, kChannelFields);
    if (const auto rows = version_rows(channel); !rows.empty()) text += table_of(call, rows, kVersions);
  }
  answer(call, reply, text);
  return kDone;
}

int set_channel(Call& call) {
  auto body = Json::object();
  if (call.has("window") && call.has("no-window")) throw Failure(kUsage, "give --window or --no-window, and not both");
  for (const auto& window : call.list("window")) body["window"].push_back(parse_window(window));
  if (call.has("no-window")) body["window"] = nullptr;
  if (const auto approval = call.text("approval")) body["approval"] = *approval == "on";
  if (const auto notes = call.text("notes")) body["notes"] = *notes;
  const auto reply = call.client().put(path_of({"channels", call.argument("CHANNEL")}), body);
  answer(call, reply, fmt::format("channel {} is {}\n", printable(call.argument("CHANNEL")),
                                  reply.status == 201 ? "made" : "changed"));
  return kDone;
}

int delete_channel(Call& call) {
  const auto name = call.argument("CHANNEL");
  const auto hardware = call.text("target");
  auto path = path_of({"channels", name});
  const auto channel = call.client().get(path).json();
  write_note(fmt::format("{}: {}; targets: {}", printable(name), counted(number_at(channel, "/devices/all"), "device"),
                         as_targets(at(channel, "/hardware"), {})));
  const auto what = hardware ? fmt::format("the target of {}", printable(*hardware)) : std::string("the channel");
  confirm(call.has("yes"), fmt::format("Delete {}?", what), "nothing was deleted");
  if (hardware) path += path_of({"targets", *hardware});
  const auto reply = call.client().remove(path);
  answer(call, reply, fmt::format("{} is deleted\n", hardware ? what : "channel " + printable(name)));
  return kDone;
}

}  // namespace

Noun channel_noun() {
  return {
      "channel",
      "Channels: devices that get the same updates",
      {
          {"list", "List channels with their targets", {}, list_channels},
          {"show", "Show a channel and the versions of its devices", {kChannelName}, show_channel},
          {"set", "Make a channel, or change what is given",
           {kChannelName,
            repeated("window", "WINDOW",
                     "Hours in which devices may install, such as 'sat,sun 23:00-04:00 Europe/Berlin'; may be "
                     "repeated"),
            flag("no-window", "Devices may install at any time"),
            choice("approval", "on|off", "Whether another person must approve rollouts"),
            option("notes", "TEXT", "Notes for people")},
           set_channel},
          {"delete", "Delete a channel that no device follows, or one of its targets",
           {kChannelName,
            option("target", "HARDWARE",
                   "Delete only the target of this hardware type (*: of any): its devices get nothing until the next "
                   "rollout",
                   Completes::hardware),
            kYes},
           delete_channel},
      }};
}

}  // namespace ota::otactl
